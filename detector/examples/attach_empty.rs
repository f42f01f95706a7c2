//! Attaches the program of an object that does nothing to `tcp_probe` and holds it until its
//! standard input ends. Part of `cargo xtask bench hook`, not of the agent.
//!
//! `attach_empty OBJECT PROGRAM`
#![allow(clippy::print_stderr, reason = "whoever starts it waits for that line")]

use std::io::Read as _;

use anyhow::{Context as _, Result};
use aya::programs::BtfTracePoint;
use aya::{Btf, Ebpf};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let object = arguments.next().context("no object named")?;
    let name = arguments.next().context("no program named")?;
    let types = Btf::from_sys_fs().context("cannot read the kernel's types")?;
    let mut ebpf = Ebpf::load_file(&object).with_context(|| format!("cannot load {object}"))?;
    let program: &mut BtfTracePoint = ebpf
        .program_mut(&name)
        .with_context(|| format!("{object} has no program {name}"))?
        .try_into()
        .with_context(|| format!("{name} is for no BTF tracepoint"))?;
    program
        .load("tcp_probe", &types)
        .with_context(|| format!("the kernel refuses {name}"))?;
    program
        .attach()
        .with_context(|| format!("cannot attach {name}"))?;
    eprintln!("ready: {name} attached");
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .context("cannot wait for the end of input")?;
    Ok(())
}
