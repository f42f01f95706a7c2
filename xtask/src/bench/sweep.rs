//! `cargo xtask bench sweep`: what a healthy socket costs a pass of the sweep, against one of an empty
//! program in the same round.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::crowd::Crowd;
use super::median;
use crate::command::output;
use crate::tree;

/// Against the empty program.
const BOUND: f64 = 1.2;
const SOCKETS: [u32; 3] = [1_000, 10_000, 100_000];

/// Rounds of one pass each, of which the costs are processor time in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
struct Passes {
    /// Shown to a pass.
    sockets: f64,
    /// Of the empty program; of the sweep where it looks at marked sockets; where it looks at all.
    rounds: Vec<[f64; 3]>,
}

pub(super) fn main(examples: &Path, rounds: u32) -> Result<()> {
    let empty = passes(examples, 0, rounds)?;
    println!(
        "a pass over a network namespace without sockets: {}",
        whole(&empty)
    );
    println!("\n sockets  ns a socket: empty  sweep (ratio)  full sweep (ratio)");
    for sockets in SOCKETS {
        let passes = passes(examples, sockets, rounds)?;
        let [nothing, marked, all] = passes.beyond(&empty).costs();
        let [_, marked_ratio, all_ratio] = passes.beyond(&empty).ratios();
        println!(
            "{:>8}              {:>6.0} {:>6.0} ({marked_ratio:.2})  {:>11.0} ({all_ratio:.2})   pass: {}",
            passes.sockets,
            nothing / passes.sockets,
            marked / passes.sockets,
            all / passes.sockets,
            whole(&passes)
        );
    }
    println!("\nbound of the ratio: {BOUND}");
    Ok(())
}

fn whole(passes: &Passes) -> String {
    let [nothing, marked, all] = passes.costs().map(|cost| cost / 1e6);
    format!("{nothing:.2} ms empty, {marked:.2} ms sweep, {all:.2} ms full sweep")
}

fn passes(examples: &Path, sockets: u32, rounds: u32) -> Result<Passes> {
    let crowd = Crowd::gather(examples, 1, sockets)?;
    let [namespace] = &*crowd.namespaces else {
        anyhow::bail!("one network namespace was wanted");
    };
    let time_sweeps = examples.join("time_sweeps");
    let program = time_sweeps.to_str().context("a path that is no UTF-8")?;
    let said = output(
        namespace
            .command(program)
            .arg(tree::root().join("detector-ebpf/prebuilt/empty.o"))
            .arg(rounds.to_string()),
    )?;
    Passes::read(&said).with_context(|| format!("not understood: {said}"))
}

impl Passes {
    /// Lines of four numbers.
    fn read(said: &str) -> Option<Self> {
        let mut sockets = Vec::new();
        let mut rounds = Vec::new();
        for line in said.lines() {
            let mut numbers = line.split(' ').map(|number| number.parse::<f64>().ok());
            let mut next = || numbers.next().flatten();
            sockets.push(next()?);
            rounds.push([next()?, next()?, next()?]);
        }
        Some(Self {
            sockets: median(&sockets),
            rounds,
        })
    }

    /// Without what a pass costs that is shown no socket.
    fn beyond(&self, empty: &Self) -> Self {
        let without = empty.costs();
        let less = |round: &[f64; 3]| [0, 1, 2].map(|kind| round[kind] - without[kind]);
        Self {
            sockets: self.sockets,
            rounds: self.rounds.iter().map(less).collect(),
        }
    }

    /// Medians.
    fn costs(&self) -> [f64; 3] {
        self.medians(|round, kind| round[kind])
    }

    /// Medians of the ratios to the empty program in the same round.
    fn ratios(&self) -> [f64; 3] {
        self.medians(|round, kind| round[kind] / round[0])
    }

    fn medians(&self, of: impl Fn(&[f64; 3], usize) -> f64) -> [f64; 3] {
        [0, 1, 2].map(|kind| {
            let values: Vec<f64> = self.rounds.iter().map(|round| of(round, kind)).collect();
            median(&values)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Passes;

    #[test]
    fn what_a_pass_costs_without_sockets_is_no_socket_s() {
        let empty = Passes::read("0 1000 1100 1200\n").unwrap();
        let passes = Passes::read("10 3000 3500 9200\n10 2000 3100 5200\n10 1500 3000 5200\n");
        let passes = passes.unwrap();
        assert_eq!(passes.costs(), [2000.0, 3100.0, 5200.0]);
        let beyond = passes.beyond(&empty);
        assert_eq!(beyond.costs(), [1000.0, 2000.0, 4000.0]);
        assert_eq!(beyond.ratios(), [1.0, 2.0, 4.0]);
        assert_eq!(Passes::read("10 3000\n"), None);
    }
}
