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

/// Processor time of passes, in nanoseconds: medians of all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Passes {
    sockets: f64,
    /// Of the empty program; of the sweep where it looks at marked sockets; where it looks at all.
    costs: [f64; 3],
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
        let [nothing, marked, all] = passes.beyond(&empty);
        println!(
            "{:>8}              {nothing:>6.0} {marked:>6.0} ({:.2})  {all:>11.0} ({:.2})   pass: {}",
            passes.sockets,
            marked / nothing,
            all / nothing,
            whole(&passes)
        );
    }
    println!("\nbound of the ratio: {BOUND}");
    Ok(())
}

fn whole(passes: &Passes) -> String {
    let [nothing, marked, all] = passes.costs.map(|cost| cost / 1e6);
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
        let rows: Option<Vec<Vec<f64>>> = said
            .lines()
            .map(|line| line.split(' ').map(|number| number.parse().ok()).collect())
            .collect();
        let rows = rows?;
        let column = |index: usize| -> Option<f64> {
            let values: Option<Vec<f64>> = rows.iter().map(|row| row.get(index).copied()).collect();
            Some(median(&values?))
        };
        Some(Self {
            sockets: column(0)?,
            costs: [column(1)?, column(2)?, column(3)?],
        })
    }

    /// Nanoseconds a socket, without what a pass costs that finds none.
    fn beyond(&self, empty: &Self) -> [f64; 3] {
        let each = |index: usize| (self.costs[index] - empty.costs[index]) / self.sockets;
        [each(0), each(1), each(2)]
    }
}

#[cfg(test)]
mod tests {
    use super::Passes;

    #[test]
    fn what_a_pass_costs_without_sockets_is_no_socket_s() {
        let empty = Passes::read("0 1000 1100 1200\n").unwrap();
        let passes = Passes::read("10 3000 3500 9200\n10 2000 3100 5200\n10 1000 3000 5200\n");
        let passes = passes.unwrap();
        assert_eq!(passes.costs, [2000.0, 3100.0, 5200.0]);
        assert_eq!(passes.beyond(&empty), [100.0, 200.0, 400.0]);
        assert_eq!(Passes::read("10 3000\n"), None);
    }
}
