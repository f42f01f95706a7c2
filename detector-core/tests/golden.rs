//! Record streams in, events and peers out, both checked in.
//!
//! `tests/golden/NAME.stream` holds one step a line; `NAME.expected` what comes of it. For a new
//! stream and after a wanted change, `DETECTOR_BLESS=1 cargo test -p detector-core --test golden`
//! writes the latter, to be read in the diff.
//!
//! A line is `SECONDS STEP …`: `hook`, `sweep` or `closed` with `ADDR:PORT` and `field=value`s (a
//! field keeps its value from the connection's line before), `sweep_end began=SECONDS`, `advance`,
//! `trusted NETWORK`, `interface_errors COUNT`, `tcp_memory USED PRESSURE` in bytes, `tcp_memory_held
//! COUNTED RECEIVE UNLISTED` in bytes, `within_host ADDR:PORT`, `wall_steps SECONDS`.
//! `census ADDR all=30 well=0 well_before=0 came=0 went=0 ended_well=0` or `census ADDR refused`; with
//! `network` for `census`, of the network above an address.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod support;

use detector_api::snapshot::HostPressure;
use detector_api::tcp_memory::{HeldBytes, TcpMemoryHeld};
use detector_core::engine::{Counted, Engine};
use detector_core::observe::census::{Census, Suspect};
use detector_core::observe::observation::{
    Direction, InterfaceCounts, Observation, PendingTimer, Reason, Source, TcpState,
};
use detector_core::observe::peer_address::{Network, PeerAddress};
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::{MonotonicTime, SECOND_NS, WallClock};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use support::{WALL, answer_alone, engine, healthy, ms, sweep};

fn moment(seconds: &str) -> MonotonicTime {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let milliseconds: u64 = format!("{fraction:0<3}").parse().unwrap();
    ms(whole.parse::<u64>().unwrap() * 1_000 + milliseconds)
}

fn set_field(seen: &mut Observation, name: &str, value: &str) {
    let number = || value.parse::<u64>().unwrap();
    let short = || value.parse::<u32>().unwrap();
    let byte = || value.parse::<u8>().unwrap();
    let maybe_moment = || (value != "-").then(|| moment(value));
    match name {
        "window" => seen.window_bytes = short(),
        "max_window" => seen.max_window_bytes = short(),
        "una" => seen.snd_una = short(),
        "nxt" => seen.snd_nxt = short(),
        "write" => seen.write_seq = short(),
        "edge_max" => seen.edge_max = Some(short()),
        "retracted_max" => seen.retracted_max_bytes = short(),
        "srtt_us" => seen.srtt_us = short(),
        "mss" => seen.mss_bytes = short(),
        "packets_out" => seen.in_flight_segments = short(),
        "local_port" => seen.connection.local.set_port(value.parse().unwrap()),
        "shift" => seen.window_shift = byte(),
        "pinned" => seen.pinned_bytes = number(),
        "acked" => seen.bytes_acked = number(),
        "zero" => seen.zero_window_since = maybe_moment(),
        "harmful" => seen.harmful_since = maybe_moment(),
        "generation" => seen.generation = maybe_moment(),
        "episodes" => seen.totals.zero_window_episodes = number(),
        "zero_ms" => seen.totals.zero_window_ns = number() * 1_000_000,
        "polite" => seen.totals.shrinks.polite = number(),
        "below_flight" => seen.totals.shrinks.below_flight = number(),
        "treason" => seen.totals.shrinks.treason = number(),
        "loss" => seen.totals.retransmits.loss = number(),
        "tail_probe" => seen.totals.retransmits.tail_probe = number(),
        "needless" => seen.totals.retransmits_needless = number(),
        "window_probe" => seen.totals.retransmits.window_probe = number(),
        "backoff" => seen.backoff = byte(),
        "timeouts" => seen.timeouts = byte(),
        "unanswered" => seen.retransmits_unanswered = u32::from(byte()),
        "head_again" => seen.head_retransmits = u32::from(byte()),
        "probes" => seen.probes_unanswered = byte(),
        "timer" => {
            seen.timer = match value {
                "persist" => PendingTimer::WindowProbe,
                "on" => PendingTimer::Retransmit,
                _ => PendingTimer::None,
            };
        }
        "state" => {
            seen.state = match value {
                "CLOSE-WAIT" => TcpState::CloseWait,
                "FIN-WAIT-1" => TcpState::FinWait1,
                _ => TcpState::Established,
            };
        }
        "direction" => {
            seen.direction = match value {
                "outbound" => Direction::Outbound,
                "unknown" => Direction::Unknown,
                _ => Direction::Inbound,
            };
        }
        "orphan" => seen.is_orphan = value == "yes",
        other => panic!("unknown field {other}"),
    }
}

/// `refused`, or `all=NUMBER` and the like.
fn census<'a>(words: impl Iterator<Item = &'a str>) -> Option<Counted> {
    let mut census = Census::default();
    let mut well_before = None;
    for word in words {
        let (name, value) = word.split_once('=')?;
        let field = match name {
            "all" => &mut census.connections,
            "well" => &mut census.well,
            "well_before" => well_before.insert(0),
            "came" => &mut census.came,
            "went" => &mut census.went,
            "ended_well" => &mut census.ended_well,
            other => panic!("unknown number {other}"),
        };
        *field = value.parse().unwrap();
    }
    census.well_before = well_before;
    Some(Counted {
        census,
        ..Counted::default()
    })
}

struct Player {
    /// The kernel has nothing of suspects but what is held; not in streams that say what it has.
    answers_alone: bool,
    engine: Engine,
    wall: WallClock,
    connections: BTreeMap<String, Observation>,
}

impl Player {
    fn step(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let at = moment(words.next().unwrap());
        // The kernel is asked all the time.
        let is_at_once = line.contains(" tcp_memory");
        while self.answers_alone && !is_at_once && self.engine.clock().plus_ns(SECOND_NS) < at {
            let next = self.engine.clock().plus_ns(SECOND_NS);
            if self.engine.clock() == MonotonicTime::default() {
                break;
            }
            self.engine.advance(next, self.wall);
            answer_alone(&mut self.engine);
        }
        match words.next().unwrap() {
            "advance" => self.engine.advance(at, self.wall),
            "trusted" => {
                self.engine.advance(at, self.wall);
                let trusted = vec![words.next().unwrap().parse().unwrap()];
                let (detect, tables) = (DetectSettings::default(), TableSettings::default());
                self.engine.reconfigure(detect, tables, vec![], trusted);
            }
            "interface_errors" => {
                self.engine.advance(at, self.wall);
                self.engine.add_interface_errors(&InterfaceCounts {
                    rx_errors: words.next().unwrap().parse().unwrap(),
                    ..InterfaceCounts::default()
                });
            }
            "tcp_memory" => {
                let mut bytes = || Some(words.next()?.parse().unwrap());
                self.engine.set_host_pressure(HostPressure {
                    tcp_memory_bytes: bytes(),
                    tcp_memory_pressure_bytes: bytes(),
                    ..HostPressure::default()
                });
            }
            "tcp_memory_held" => {
                let mut bytes = || words.next().unwrap().parse().unwrap();
                self.engine.set_tcp_memory_held(Some(TcpMemoryHeld {
                    counted_bytes: bytes(),
                    held_bytes: HeldBytes {
                        receive: bytes(),
                        unlisted: bytes(),
                        ..HeldBytes::default()
                    },
                    ..TcpMemoryHeld::default()
                }));
            }
            "within_host" => {
                let connection = self.connections[words.next().unwrap()].connection;
                self.engine.advance(at, self.wall);
                self.engine.set_within_host(&connection, true);
            }
            step @ ("census" | "network") => {
                let address = words.next().unwrap().parse().unwrap();
                let suspect = match step {
                    "census" => Suspect::Peer(PeerAddress::of(address, 64)),
                    _ => Suspect::Network(Network::of(address)),
                };
                self.engine.advance(at, self.wall);
                let counted = census(words);
                let _is_taken = self.engine.set_census(suspect, counted.as_ref());
            }
            "wall_steps" => {
                let seconds: i128 = words.next().unwrap().parse().unwrap();
                self.wall.offset_ns += seconds * 1_000_000_000;
                self.engine.advance(at, self.wall);
            }
            "sweep_end" => {
                let began = words.next().unwrap().strip_prefix("began=").unwrap();
                self.engine.end_sweep(&sweep(moment(began), at));
            }
            step => {
                let remote = words.next().unwrap();
                let entry = self.connections.entry(remote.to_owned());
                let seen = entry.or_insert_with(|| healthy(remote, at));
                seen.at = at;
                (seen.reason, seen.source) = match step {
                    "hook" => (Reason::Window, Source::Hook),
                    "sweep" => (Reason::Sweep, Source::Sweep),
                    "closed" => (Reason::Closed, Source::Hook),
                    other => panic!("unknown step {other}"),
                };
                for word in words {
                    let (name, value) = word.split_once('=').unwrap();
                    set_field(seen, name, value);
                }
                self.engine.observe(seen);
            }
        }
        if self.answers_alone {
            answer_alone(&mut self.engine);
        }
    }

    fn outcome(&self) -> String {
        let mut text = String::new();
        for event in self.engine.events_after(0) {
            writeln!(text, "{}", serde_json::to_string(event).unwrap()).unwrap();
        }
        for peer in self.engine.peers() {
            writeln!(text, "{}", serde_json::to_string(&peer).unwrap()).unwrap();
            let assessment = self.engine.peer(&peer.peer).unwrap().assessment;
            let assessment = serde_json::to_string(&assessment).unwrap();
            writeln!(text, "{assessment}").unwrap();
        }
        for incident in self.engine.incidents() {
            writeln!(text, "{}", serde_json::to_string(&incident).unwrap()).unwrap();
        }
        text
    }
}

/// Plays a stream; the first line in which it came to something else than what is recorded.
fn difference(stream: &Path) -> Option<String> {
    let steps = std::fs::read_to_string(stream).unwrap();
    let mut player = Player {
        answers_alone: !steps.contains(" census "),
        engine: engine(),
        wall: WALL,
        connections: BTreeMap::new(),
    };
    for line in steps
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        player.step(line);
    }
    let outcome = player.outcome();
    let path = stream.with_extension("expected");
    if std::env::var_os("DETECTOR_BLESS").is_some() {
        std::fs::write(&path, &outcome).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if outcome == expected {
        return None;
    }
    let mut lines = outcome.lines().zip(expected.lines());
    let (is, was) = lines.find(|(is, was)| is != was).unwrap_or_default();
    Some(format!("{}\n is {is}\nwas {was}", stream.display()))
}

#[test]
fn every_stream_comes_to_what_is_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (streams, outcomes): (Vec<_>, Vec<_>) =
        files.partition(|path| path.extension().is_some_and(|ending| ending == "stream"));
    let changed: Vec<_> = streams
        .iter()
        .filter_map(|stream| difference(stream))
        .collect();
    assert!(changed.is_empty(), "{}", changed.join("\n"));
    let is_left_over = |path: &&PathBuf| !path.with_extension("stream").exists();
    let left_over: Vec<_> = outcomes.iter().filter(is_left_over).collect();
    assert!(left_over.is_empty(), "of no stream: {left_over:?}");
    assert!(!streams.is_empty());
}
