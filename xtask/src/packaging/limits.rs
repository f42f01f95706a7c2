//! The memory that the unit gives the agent is more than the agent was measured to take, and manifests give as much.

use anyhow::{Context as _, Result, ensure};

use super::{folder, read};
use crate::tree;

/// How a line of BENCHMARKS.md names the measurement with all tables full.
const MEASURED: &str = " distinct peers seen, 20,000 stalled: memory, maps included |";
/// Files that say what a container may have.
const MANIFESTS: [&str; 2] = [
    "kubernetes/base/daemonset.yaml",
    "kubernetes/chart/values.yaml",
];

/// A limit of the unit, in MiB.
pub(crate) fn of_unit(name: &str) -> Result<f64> {
    mebibytes_of(&read(&folder("systemd/detector.service"))?, name)
}

fn mebibytes_of(unit: &str, name: &str) -> Result<f64> {
    let number = |line: &str| {
        let value = line.strip_prefix(name)?.strip_prefix('=')?;
        value.strip_suffix('M')?.parse().ok()
    };
    unit.lines()
        .find_map(number)
        .with_context(|| format!("the unit gives no {name} in MiB"))
}

/// The newest figure of `cargo xtask bench flood`, in MiB.
fn measured_in(benchmarks: &str) -> Result<f64> {
    let (_, rest) = benchmarks
        .split_once(MEASURED)
        .with_context(|| format!("BENCHMARKS.md has no {MEASURED:?}"))?;
    let figure = rest.trim_start().split(' ').next().unwrap_or_default();
    figure
        .parse()
        .with_context(|| format!("{figure:?} is no figure"))
}

pub(super) fn check() -> Result<()> {
    let measured = measured_in(&read(&tree::root().join("BENCHMARKS.md"))?)?;
    let (high, most) = (of_unit("MemoryHigh")?, of_unit("MemoryMax")?);
    ensure!(
        measured < high && high < most,
        "an agent with all tables full takes {measured} MiB, is slowed down above {high} and ended above {most}"
    );
    for name in MANIFESTS {
        let limit = format!("limits: {{cpu: 500m, memory: {most}Mi}}");
        ensure!(
            read(&folder(name))?.contains(&limit),
            "{name} does not say {limit:?}, as the unit does"
        );
    }
    println!(
        "memory: {measured} MiB measured with full tables, {high} MiB before it is slowed down"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_gives_more_than_was_measured() {
        check().unwrap();
    }

    #[test]
    fn figures_are_read() {
        let unit = "MemoryHigh=224M\nMemoryMax=1G\n";
        assert_eq!(mebibytes_of(unit, "MemoryHigh").unwrap(), 224.0);
        mebibytes_of(unit, "MemoryMax").unwrap_err();
        let row = "| 1000000 distinct peers seen, 20,000 stalled: memory, maps included | 199.1 MiB | at most";
        assert_eq!(measured_in(row).unwrap(), 199.1);
        measured_in("").unwrap_err();
    }
}
