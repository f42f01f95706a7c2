//! What a pass of the agent's sweep costs against one of an empty program, in the network namespace it is
//! started in, by turns. Part of `cargo xtask bench sweep`, not of the agent.
//!
//! `time_sweeps OBJECT ROUNDS`; prints a line a round: sockets shown to a pass, then the processor time, in
//! nanoseconds, of a pass of the empty program, of the sweep as it looks at sockets that hooks have marked,
//! and of the sweep as it looks at all.
#![allow(clippy::print_stdout, reason = "whoever starts it reads that")]

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::programs::Iter;
use aya::{Btf, Ebpf};
use detector_agent::kernel::bench::SweepSide;
use rustix::time::{ClockId, clock_gettime};

const EMPTY: &str = "det_empty_sweep";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let object = arguments.next().context("no object")?;
    let rounds = arguments.next().context("no number of rounds")?;
    let rounds: u32 = rounds.parse().context("the number of rounds is none")?;
    let types = Btf::from_sys_fs().context("cannot read the kernel's types")?;
    let mut empty = Ebpf::load_file(&object).with_context(|| format!("cannot load {object}"))?;
    let empty: &mut Iter = empty
        .program_mut(EMPTY)
        .with_context(|| format!("{object} has no program {EMPTY}"))?
        .try_into()?;
    empty.load("tcp", &types)?;
    let mut ours = SweepSide::load()?;
    for round in 0..=rounds {
        // Also what the pass over all has shown.
        ours.sockets_shown();
        let nothing = time(|| open(empty))?;
        ours.order(false);
        let marked = time(|| open(ours.program()?))?;
        let shown = ours.sockets_shown();
        ours.order(true);
        let all = time(|| open(ours.program()?))?;
        let nanoseconds = [nothing, marked, all].map(|time| time.as_nanos());
        // The first one fills caches.
        if round > 0 {
            let [nothing, marked, all] = nanoseconds;
            println!("{shown} {nothing} {marked} {all}");
        }
    }
    Ok(())
}

fn open(program: &mut Iter) -> Result<File> {
    let link = program.attach()?;
    Ok(program.take_link(link)?.into_file()?)
}

/// Processor time of a whole pass.
fn time(pass: impl FnOnce() -> Result<File>) -> Result<Duration> {
    let mut rows = vec![0; 64 * 1024];
    let began = clock_gettime(ClockId::ThreadCPUTime);
    let mut file = pass()?;
    loop {
        match file.read(&mut rows) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error).context("cannot read a pass"),
        }
    }
    Ok(Duration::try_from(
        clock_gettime(ClockId::ThreadCPUTime) - began,
    )?)
}
