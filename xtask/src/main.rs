//! Chores of the project: `cargo xtask <chore>`, one module a chore.
#![allow(clippy::print_stdout, reason = "what a chore prints is its answer")]
#![allow(
    clippy::print_stderr,
    reason = "a chore says on stderr what it is doing"
)]

mod background;
mod bench;
mod browse;
mod chaos;
mod command;
mod compare;
mod contents;
mod cross;
mod demo;
mod dist;
mod docs;
mod e2e;
mod ebpf;
mod frames;
mod fuzz;
mod incident;
mod kernels;
mod licences;
mod links;
mod lint;
mod marked;
mod monitoring;
mod packages;
mod packaging;
mod picture;
mod pictures;
mod room;
mod run;
mod scenarios;
mod site;
mod terminal;
mod test;
mod threats;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the project. Each says what to do when it fails.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the eBPF object that the agent embeds, or check the one in the tree
    Ebpf(ebpf::Arguments),
    /// Everything CI promises, up to the first failure
    Test(test::Arguments),
    /// Build the agent and run it, through sudo when needed
    Run(run::Arguments),
    /// See it work in a minute: peers that hold a server, and what the agent says of them
    Demo(demo::Arguments),
    /// Write what `detector top` shows of the demonstration into the README, or pictures of an incident (needs root)
    Frames(frames::Arguments),
    /// The page of a report in a real browser, on a phone, on a desk and on paper: pictures, and what is wrong
    Browse(browse::Arguments),
    /// Write what other tools show of the demonstration into docs/comparison.md (needs root)
    Compare(compare::Arguments),
    /// What the agent costs
    Bench(bench::Arguments),
    /// Formatting, clippy on both targets, and who may use whom
    Lint(lint::Arguments),
    /// Licences, bans and sources of all dependencies
    Licences(licences::Arguments),
    /// End-to-end stories in network namespaces (needs root)
    E2e(e2e::Arguments),
    /// The labelled scenarios: recall, false alarms and time to flag, into docs/scenarios.md (needs root)
    Scenarios(scenarios::Arguments),
    /// The agent on each kernel of the matrix, in virtual machines
    Kernels(kernels::Arguments),
    /// Kill the recorder and switch off machines that record: nothing announced is lost
    Chaos(chaos::Arguments),
    /// Build the program for arm64 on another machine
    Cross(cross::Arguments),
    /// Packages, tarballs, container image and bill of materials
    Dist(dist::Arguments),
    /// What is shipped beside the program: unit, rules, alerts, dashboards, manifests
    Packaging(packaging::Arguments),
    /// Three agents, a real Prometheus, an attack: which alerts fire, what dashboards show (needs root)
    Monitoring(monitoring::Arguments),
    /// Feed hostile bytes to everything that reads bytes
    Fuzz(fuzz::Arguments),
    /// Write the reference pages from the agent itself
    Docs(docs::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Ebpf(arguments) => ebpf::main(&arguments),
        Chore::Lint(arguments) => lint::main(&arguments),
        Chore::Licences(arguments) => licences::main(&arguments),
        Chore::Test(arguments) => test::main(&arguments),
        Chore::Demo(arguments) => demo::main(&arguments),
        Chore::Frames(arguments) => frames::main(&arguments),
        Chore::Browse(arguments) => browse::main(&arguments),
        Chore::Compare(arguments) => compare::main(&arguments),
        Chore::Bench(arguments) => bench::main(&arguments),
        Chore::Run(arguments) => run::main(&arguments),
        Chore::E2e(arguments) => e2e::main(&arguments),
        Chore::Scenarios(arguments) => scenarios::main(&arguments),
        Chore::Kernels(arguments) => kernels::main(&arguments),
        Chore::Chaos(arguments) => chaos::main(&arguments),
        Chore::Cross(arguments) => cross::main(&arguments),
        Chore::Dist(arguments) => dist::main(&arguments),
        Chore::Packaging(arguments) => packaging::main(&arguments),
        Chore::Monitoring(arguments) => monitoring::main(&arguments),
        Chore::Fuzz(arguments) => fuzz::main(&arguments),
        Chore::Docs(arguments) => docs::main(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
