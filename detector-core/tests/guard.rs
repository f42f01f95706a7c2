//! Whom the guard may act on, and on which count of others.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_api::snapshot::Process;
use detector_core::engine::Engine;
use std::sync::Arc;
use support::{WALL, answer_alone, engine, ms, zero_window};

const PEER: &str = "198.51.100.7";
const HELD: u16 = 30;

fn process(comm: &str, unit: Option<&str>) -> Process {
    Process {
        pid: 10,
        comm: comm.to_owned(),
        unit: unit.map(str::to_owned),
        executable: Some("/usr/bin/serve".to_owned()),
        thread: None,
    }
}

/// Thirty connections that take nothing for half a minute, the first ten of one process, the rest of
/// another; `answers` says what the kernel knows of others.
fn held(answers: impl Fn(&mut Engine)) -> Engine {
    let mut engine = engine();
    engine.advance(ms(1_000), WALL);
    for port in 1..=HELD {
        let seen = zero_window(&format!("{PEER}:{port}"), ms(1_000), ms(1_000));
        engine.observe(&seen);
        let owner = match port {
            1..=10 => process("serve", None),
            _ => process("nginx", Some("nginx.service")),
        };
        engine.set_owner(&seen.connection, 4711, &Arc::from([owner]));
    }
    for second in [6, 15, 24, 31] {
        engine.advance(ms(second * 1_000), WALL);
        answers(&mut engine);
    }
    engine
}

#[test]
fn a_count_of_long_ago_blocks_nobody() {
    let mut engine = held(answer_alone);
    for (second, well) in [(32, Some(0)), (98, Some(0)), (100, None)] {
        engine.advance(ms(second * 1_000), WALL);
        let suspects = engine.guard_suspects(None);
        assert!(suspects[0].is_accused, "at {second}");
        assert_eq!(suspects[0].well, well, "at {second}");
    }
    answer_alone(&mut engine);
    assert_eq!(engine.guard_suspects(None)[0].well, Some(0));
}

#[test]
fn where_services_are_pressed_others_lose_what_is_accused_alone() {
    // Not counted, so not accused.
    let hoarding = held(|_| {});
    let accused = held(answer_alone);
    let all = usize::from(HELD);
    for (services, of_hoard) in [
        (None, all),
        (Some(["nginx.service"]), 20),
        (Some(["serve (/usr/bin/serve)"]), 10),
        (Some(["another.service"]), 0),
        (Some(["serve"]), 0),
    ] {
        let names = services.map(|services| services.map(str::to_owned));
        let names = names.as_ref().map(<[String; 1]>::as_slice);
        let stalled = |engine: &Engine| {
            let suspects = engine.guard_suspects(names);
            suspects
                .iter()
                .map(|each| each.stalled.len())
                .sum::<usize>()
        };
        assert_eq!(stalled(&hoarding), of_hoard, "{services:?}");
        assert_eq!(stalled(&accused), all, "{services:?}");
    }
}
