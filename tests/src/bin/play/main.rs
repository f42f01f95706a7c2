//! Plays peers that hold a server, for a demonstration or before an agent that is put to the test.
//!
//! Needs root and a kernel, no other program: namespaces, addresses and the TUN device are made by
//! system calls, so that the static binary runs where nothing else is installed.

mod demo;
mod incident;
mod lacking;
mod requests;
mod scenarios;

use clap::{Parser, Subcommand};
use detector_tests::hostile::Plan;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Plays TCP peers that stall and shrink against a small real server.
#[derive(Debug, Parser)]
#[command(name = "play")]
struct Arguments {
    #[command(subcommand)]
    play: Option<Play>,
    /// How long to keep the peers on stage, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

#[derive(Debug, Subcommand)]
enum Play {
    /// Plays the labelled scenarios before an agent of their own. The page of the documentation
    /// goes to stdout; fails on any miss, false alarm or late flag.
    Scenarios {
        /// Only scenarios with this in their name.
        filter: Option<String>,
        /// How many times.
        #[arg(long, default_value_t = 1)]
        runs: u32,
        /// Once, before an agent whose guard acts: fails unless it frees what attacks pin and touches
        /// nobody honest.
        #[arg(long, conflicts_with = "runs")]
        guard: bool,
    },
    /// Plays the night of an incident on two web servers, and leaves what their agents recorded.
    Incident {
        /// An empty folder for the recorders, one for each host.
        folder: PathBuf,
    },
    /// Writes each event of an agent with the time it came: a process of its own for the scenarios.
    #[command(hide = true)]
    Listen {
        /// The agent's control socket.
        socket: PathBuf,
    },
    /// Sends wrong requests to an agent of their own, beside slow clients and scrapes.
    Requests {
        /// How many, half of them to each listener.
        #[arg(long, default_value_t = 1_000_000)]
        count: u64,
        /// Slow clients, half of them of each listener.
        #[arg(long, default_value_t = 2_000)]
        slow_clients: usize,
        /// Where the choice of requests begins.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Runs a program as on a kernel that lacks something.
    #[command(hide = true)]
    Lacking {
        /// What it lacks.
        #[arg(required = true)]
        features: Vec<lacking::Feature>,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
    /// Changes what such a program asks the kernel.
    #[command(hide = true)]
    Trace {
        /// Its process.
        process: i32,
        /// What is lacking.
        features: Vec<lacking::Feature>,
    },
}

#[allow(
    clippy::print_stderr,
    reason = "a program says on stderr why it failed"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.play {
        None => demo::play(Duration::from_secs(arguments.seconds)),
        Some(Play::Scenarios {
            filter,
            guard: true,
            ..
        }) => scenarios::play_guarded(filter.as_deref()),
        Some(Play::Scenarios { filter, runs, .. }) => scenarios::play(filter.as_deref(), runs),
        Some(Play::Incident { folder }) => incident::play(&folder),
        Some(Play::Listen { socket }) => detector_tests::suite::listen(&socket, std::io::stdout()),
        Some(Play::Requests {
            count: requests,
            slow_clients,
            seed,
        }) => requests::play(Plan {
            requests,
            slow_clients,
            seed,
        }),
        Some(Play::Lacking { features, program }) => lacking::run(&features, &program),
        Some(Play::Trace { process, features }) => lacking::trace(process, &features),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One line about how it goes, beside what is printed.
#[allow(clippy::print_stderr, reason = "stdout is for what the program is for")]
fn note(line: &str) {
    eprintln!("{line}");
}

/// One line for whoever watches.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
fn say(line: &str) {
    println!("{line}");
}
