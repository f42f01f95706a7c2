//! Record streams in, events and peers out, both checked in.
//!
//! `tests/golden/NAME.stream` holds one step a line; `NAME.expected` what comes of it. After a
//! wanted change, `DETECTOR_BLESS=1 cargo test -p detector-core --test golden` writes the latter
//! anew, to be read in the diff.
//!
//! A line is `SECONDS STEP …`: `hook`, `sweep` or `closed` with `ADDR:PORT` and `field=value`s (a
//! field keeps its value from the connection's line before), `sweep_end began=SECONDS`, `advance`,
//! `trusted NETWORK`, `interface_errors COUNT`, `tcp_memory USED PRESSURE` in bytes, `wall_steps SECONDS`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod support;

use detector_api::snapshot::HostPressure;
use detector_core::engine::Engine;
use detector_core::observe::observation::{
    InterfaceCounts, Observation, PendingTimer, Reason, Source, TcpState,
};
use detector_core::settings::{DetectSettings, TableSettings};
use detector_core::time::{MonotonicTime, WallClock};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use support::{WALL, engine, healthy, ms, sweep};

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
        "loss" => seen.totals.retransmits_loss = number(),
        "window_probe" => seen.totals.retransmits_window_probe = number(),
        "backoff" => seen.backoff = byte(),
        "timeouts" => seen.timeouts = byte(),
        "unanswered" => seen.retransmits_unanswered = u32::from(byte()),
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
        "orphan" => seen.is_orphan = value == "yes",
        other => panic!("unknown field {other}"),
    }
}

struct Player {
    engine: Engine,
    wall: WallClock,
    connections: BTreeMap<String, Observation>,
}

impl Player {
    fn step(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let at = moment(words.next().unwrap());
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

fn play(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let stream = std::fs::read_to_string(folder.join(format!("{name}.stream"))).unwrap();
    let mut player = Player {
        engine: engine(),
        wall: WALL,
        connections: BTreeMap::new(),
    };
    for line in stream
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        player.step(line);
    }
    let outcome = player.outcome();
    let path = folder.join(format!("{name}.expected"));
    if std::env::var_os("DETECTOR_BLESS").is_some() {
        std::fs::write(&path, &outcome).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(outcome, expected, "{name}: see the head of tests/golden.rs");
}

macro_rules! streams {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            play(stringify!($name));
        })+

        #[test]
        fn every_stream_is_played() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
            let mut found: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "stream"))
                .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
                .collect();
            found.sort();
            assert_eq!(found, [$(stringify!($name)),+]);
        }
    };
}

streams! {
    attack_slow_read
    attack_zero_window
    dribble
    dribble_with_open_moment
    half_closed_seen_by_sweep
    hoard
    hoard_by_likeness
    hoard_by_likeness_after_loss
    hoard_by_likeness_at_a_step
    hoard_of_network
    hoard_of_orphans
    honest_crowd_of_one_browser
    honest_rate_limited_crowd
    idle_keep_alive
    incidents
    late_and_doubled_records
    loss_that_ends
    middlebox_shrinks
    path_loss_then_gone
    paused_player_resumes
    receiver_out_of_memory
    receiver_out_of_memory_for_long
    shrink_is_forgotten
    shrinking_kernel
    silence_of_many
    silence_with_interface_errors
    slow_honest_reader
    small_window
    small_window_probed
    tarpit
    teasing_is_one_episode
    tiny_window
    treason
    treason_that_costs
    treason_that_lasts
    trusted_hoard
    zero_window
}
