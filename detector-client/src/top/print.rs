//! Tables or objects on stdout instead of a live view.

use super::Options;
use super::agent::{Agent, Outcome, START_PAUSE};
use super::state::{Location, Now, Query, Snapshot, State};
use super::view;
use crate::clock;
use crate::prometheus;
use crate::terminal::Capabilities;
use detector_api::failure::Failure;
use detector_api::row::PeerRow;
use detector_api::units;
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// An own agent has seen nothing at its start; a stall is called so after five seconds.
const OWN_AGENT_WATCHES: Duration = Duration::from_secs(7);
/// Cells of a line where stdout is no terminal.
const WIDTH: usize = 200;

/// Prints what was asked for, then leaves.
pub(super) async fn run(args: &Options, mut state: State, mut agent: Agent) -> Result<(), Failure> {
    let count = if args.batch {
        args.count.unwrap_or(u64::MAX)
    } else {
        1
    };
    let began = Instant::now();
    state.location = Location::Table;
    for number in 0..count {
        let snapshot = match answer(&mut agent, &state.query(), number == 0).await? {
            Ok(snapshot) => snapshot,
            Err(why) => return Err(Failure::failed(why)),
        };
        let now = Now {
            seconds: began.elapsed().as_secs_f64(),
            unix_ns: clock::unix_ns(),
        };
        state.take(now, Ok(snapshot));
        let text = if args.json {
            json(&state)?
        } else {
            table(&state, number)
        };
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        drop(stdout);
        if number + 1 < count {
            tokio::time::sleep(args.interval).await;
        }
    }
    Ok(())
}

/// An answer, also if an own agent has to be started for it.
async fn answer(
    agent: &mut Agent,
    query: &Query,
    is_first: bool,
) -> Result<Result<Snapshot, String>, Failure> {
    loop {
        let answer = agent.question(query.clone()).await;
        match agent.judge(answer)? {
            Outcome::Lost(why) => return Ok(Err(why)),
            Outcome::Starting => tokio::time::sleep(START_PAUSE).await,
            Outcome::Answer(snapshot) => {
                let watched = Duration::try_from_secs_f64(snapshot.facts.uptime_seconds);
                let missing = OWN_AGENT_WATCHES.saturating_sub(watched.unwrap_or_default());
                if !is_first || !agent.is_own() || missing.is_zero() {
                    return Ok(Ok(*snapshot));
                }
                let span = units::seconds(missing.as_secs_f64());
                let note = format!("no agent runs here: watching by itself for {span}\n");
                // A note that nobody reads is no failure.
                drop(io::stderr().lock().write_all(note.as_bytes()));
                tokio::time::sleep(missing).await;
            }
        }
    }
}

/// The frame of the live view, with all its rows.
fn table(state: &State, number: u64) -> String {
    let width = Capabilities::of_stdout().width.unwrap_or(WIDTH);
    let gap = if number == 0 { "" } else { "\n" };
    format!("{gap}{}", view::page(state, width))
}

/// What `--json` prints, on one line each time.
#[derive(Serialize, JsonSchema)]
pub struct Printed<'a> {
    /// When the agent was asked, RFC 3339.
    time: String,
    /// The rows, in the order of `--sort`.
    peers: &'a [PeerRow],
    /// Peers that the agent tracks, also those that are not among the rows.
    peers_total: usize,
}

fn json(state: &State) -> Result<String, Failure> {
    let unwritten =
        |error: serde_json::Error| Failure::failed(format!("cannot write JSON: {error}"));
    let mut printed = serde_json::to_value(Printed {
        time: detector_api::time::rfc3339(state.taken.unix_ns),
        peers: &state.table.rows,
        peers_total: state.table.total,
    })
    .map_err(unwritten)?;
    if state.is_of_fleet {
        let known = state.table.rows.iter().map(prometheus::known_json);
        printed["peers"] = known.collect::<Result<_, _>>().map_err(unwritten)?;
    }
    Ok(format!("{printed}\n"))
}
