//! A million wrong requests and a thousand slow clients, and what becomes of the agent and its scrapes.

use crate::say;
use anyhow::{Result, ensure};
use detector_lab::network::Namespace;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::hostile::{self, Plan};
use detector_tests::story::in_folder;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::time::Duration;

/// Ninety-nine of a hundred scrapes are answered within this.
const SCRAPE: Duration = Duration::from_millis(100);
/// For all that listeners keep at the same time.
const MEMORY_KIB: u64 = 64 << 10;

pub(crate) fn play(plan: Plan) -> Result<()> {
    // A descriptor for each slow client.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    // What it is made to block, it blocks where nobody lives; and it sees nobody else's connections.
    let _left = Namespace::leave_for_private()?;
    let options = AgentOptions {
        configuration: Some("[detect]\nscope = \"container\"\n".to_owned()),
        ..AgentOptions::default()
    };
    in_folder("requests", |folder| {
        let agent = Agent::start_with(folder, &options)?;
        let outcome = hostile::play(&agent, plan)?;
        say(&outcome.to_string());
        let scraped = outcome.scraped_within(99);
        ensure!(
            scraped <= SCRAPE,
            "p99 of a scrape is {scraped:?}, above {SCRAPE:?}"
        );
        let grown = outcome.grown_kib;
        ensure!(
            grown <= MEMORY_KIB,
            "memory grew by {grown} KiB, above {MEMORY_KIB}"
        );
        Ok(())
    })
}
