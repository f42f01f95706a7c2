//! Has the kernel count the runs and the time of all programs and, when an object is named, attaches
//! its empty program to `tcp_probe`; both until standard input ends. Part of
//! `cargo xtask bench hook`, not of the agent.
//!
//! `attach_empty [OBJECT PROGRAM]`
#![allow(clippy::print_stderr, reason = "whoever starts it waits for that line")]

use std::io::Read as _;

use anyhow::{Context as _, Result};
use aya::programs::BtfTracePoint;
use aya::sys::{Stats, enable_stats};
use aya::{Btf, Ebpf};

fn main() -> Result<()> {
    // By file descriptor and not by sysctl: others may switch that off at any moment.
    let _counting = enable_stats(Stats::RunTime).context("cannot count run times")?;
    let mut arguments = std::env::args().skip(1);
    let _attached = match (arguments.next(), arguments.next()) {
        (Some(object), Some(program)) => Some(attach(&object, &program)?),
        _ => None,
    };
    eprintln!("ready: counting");
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .context("cannot wait for the end of input")?;
    Ok(())
}

fn attach(object: &str, name: &str) -> Result<Ebpf> {
    let types = Btf::from_sys_fs().context("cannot read the kernel's types")?;
    let mut ebpf = Ebpf::load_file(object).with_context(|| format!("cannot load {object}"))?;
    let program: &mut BtfTracePoint = ebpf
        .program_mut(name)
        .with_context(|| format!("{object} has no program {name}"))?
        .try_into()
        .with_context(|| format!("{name} is for no BTF tracepoint"))?;
    program
        .load("tcp_probe", &types)
        .with_context(|| format!("the kernel refuses {name}"))?;
    program
        .attach()
        .with_context(|| format!("cannot attach {name}"))?;
    Ok(ebpf)
}
