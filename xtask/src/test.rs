//! `cargo xtask test`: everything CI promises, cheap before costly, up to the first failure.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::bench;
use crate::browse;
use crate::chaos;
use crate::command::{cargo, run};
use crate::docs;
use crate::e2e;
use crate::ebpf;
use crate::fuzz;
use crate::kernels;
use crate::licences;
use crate::lint;
use crate::monitoring;
use crate::packages;
use crate::packaging;
use crate::room;
use crate::tree;

/// One step: what it shows and how to run it alone.
struct Step {
    name: &'static str,
    alone: &'static str,
    act: fn(&Arguments) -> Result<()>,
}

const STEPS: [Step; 19] = [
    Step {
        name: "tools",
        alone: "cargo xtask test --only tools",
        act: tools,
    },
    Step {
        name: "formatting",
        alone: "cargo xtask lint",
        act: |_| lint::formatting(),
    },
    Step {
        name: "arrows",
        alone: "cargo xtask lint",
        act: |_| lint::arrows(),
    },
    Step {
        name: "clippy",
        alone: "cargo xtask lint",
        act: |_| lint::clippy(),
    },
    Step {
        name: "client-alone",
        alone: "cargo xtask lint",
        act: |_| lint::client_alone(),
    },
    Step {
        name: "licences",
        alone: "cargo xtask licences",
        act: |_| licences::main(&licences::Arguments {}),
    },
    Step {
        name: "packaging",
        alone: "cargo xtask packaging",
        act: |arguments| packaging::main(&packaging::Arguments::short(arguments.install())),
    },
    Step {
        name: "unit",
        alone: "cargo test",
        act: |_| unit(),
    },
    Step {
        name: "fuzz",
        alone: "cargo xtask fuzz --short",
        act: |_| fuzz::short(),
    },
    Step {
        name: "ebpf",
        alone: "cargo xtask ebpf --check",
        act: |arguments| ebpf::main(&ebpf::Arguments::check(arguments.install())),
    },
    Step {
        name: "ebpf-clippy",
        alone: "cargo xtask lint",
        act: |arguments| lint::clippy_of_kernel_side(arguments.install()),
    },
    Step {
        name: "docs",
        alone: "cargo xtask docs --check",
        act: |_| docs::main(&docs::Arguments::check()),
    },
    Step {
        name: "bench",
        alone: "cargo xtask bench guard",
        act: |arguments| bench::guard(arguments.install()),
    },
    Step {
        name: "browse",
        alone: "cargo xtask browse",
        act: |arguments| browse::main(&browse::Arguments::of_tests(arguments.install())),
    },
    Step {
        name: "recorder",
        alone: "cargo xtask bench recorder --short",
        act: |arguments| bench::recorder(arguments.install()),
    },
    Step {
        name: "kernels",
        alone: "cargo xtask kernels",
        act: |arguments| kernels::main(&kernels::Arguments::all(arguments.install())),
    },
    Step {
        name: "monitoring",
        alone: "cargo xtask monitoring",
        act: |arguments| monitoring::main(&monitoring::Arguments::play(arguments.install())),
    },
    Step {
        name: "chaos",
        alone: "cargo xtask chaos",
        act: |arguments| chaos::main(&chaos::Arguments::short(arguments.install())),
    },
    // Last, so that its runner's closing lines end the output.
    Step {
        name: "e2e",
        alone: "cargo xtask e2e",
        act: |arguments| e2e::main(&e2e::Arguments::all(arguments.install())),
    },
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this step (repeatable)
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Name the steps, run none
    #[arg(long)]
    list: bool,
    /// Install nothing, also as root: say what is missing
    #[arg(long)]
    no_install: bool,
}

impl Arguments {
    fn install(&self) -> bool {
        !self.no_install && packages::can_install()
    }
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for step in &STEPS {
            println!("{:<12} {}", step.name, step.alone);
        }
        return Ok(());
    }
    let chosen = chosen(&arguments.only)?;
    let mut passed = Vec::new();
    for step in &chosen {
        println!("── {}", step.name);
        let began = Instant::now();
        if let Err(why) = (step.act)(arguments) {
            println!("\n{} passed, 1 failed", passed.len());
            bail!(
                "step {} failed: {why:#}\nhint: run it alone with `{}`",
                step.name,
                step.alone
            );
        }
        passed.push(format!(
            "{} {:.0} s",
            step.name,
            began.elapsed().as_secs_f64()
        ));
    }
    println!("\nsteps: {}", passed.join(", "));
    println!("{} passed, 0 failed", passed.len());
    Ok(())
}

fn chosen(only: &[String]) -> Result<Vec<&'static Step>> {
    for name in only {
        if !STEPS.iter().any(|step| step.name == name) {
            let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            bail!("no step {name}: there are {}", known.join(", "));
        }
    }
    let is_chosen = |step: &&Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(is_chosen).collect())
}

/// Everything that later steps need, so that what is missing is known at once.
fn tools(arguments: &Arguments) -> Result<()> {
    room::need_for_whole_test()?;
    let may_install = arguments.install();
    let programs: Vec<_> = e2e::PROGRAMS
        .into_iter()
        .chain(kernels::PROGRAMS)
        .chain(chaos::PROGRAMS)
        .chain(packaging::PROGRAMS)
        .chain(monitoring::PROGRAMS)
        .chain(bench::RECORDER_PROGRAMS)
        .chain(browse::PROGRAMS)
        .collect();
    packages::need(&programs, "the whole test", may_install)?;
    let (toolchain, linker) = ebpf::tools(may_install)?;
    println!("{}, {}", toolchain.version.line, linker.version);
    e2e::is_possible()
}

/// Unit, property and golden tests of the default members.
fn unit() -> Result<()> {
    run(cargo().current_dir(tree::root()).args(["test", "--locked"]))
        .context("a unit, property or golden test failed")
}

#[cfg(test)]
mod tests {
    use super::chosen;

    /// A play that no step runs holds nothing, however good it is.
    #[test]
    fn the_whole_test_plays_before_a_real_prometheus_and_benches_the_recorder() {
        let steps = chosen(&[]).unwrap();
        for name in ["monitoring", "recorder"] {
            assert!(steps.iter().any(|step| step.name == name), "{name}");
        }
    }
}
