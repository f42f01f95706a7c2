use super::{Taker, has_come_to_be_trusted, is_called_off, load};
use crate::clock;
use crate::config::{Config, GuardConfig, GuardMode};
use crate::guard::{SPARED_REASONS, TRUSTED};
use crate::state::tests::state;
use detector_api::snapshot::GuardAct;
use detector_core::guard::{GuardSuspect, StalledConnection, Step, Workers};
use detector_core::observe::observation::ConnectionId;
use detector_core::observe::peer_address::PeerAddress;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test]
async fn services_that_were_counted_long_ago_press_nothing() {
    let (state, _pings) = state(&Config::default());
    let services = vec![Workers {
        service: "web.service".to_owned(),
        held: 5,
        total: 10,
        ..Workers::default()
    }];
    for (ago, presses) in [(50, true), (70, false)] {
        let began = Instant::now()
            .checked_sub(Duration::from_secs(ago))
            .unwrap();
        let by_peers = Some((began, services.clone()));
        state.owners.update(|report| report.by_peers = by_peers);
        assert_eq!(load(&state).services.is_empty(), !presses, "{ago} s");
    }
}

#[tokio::test]
async fn whoever_has_come_to_be_trusted_is_spared_and_counted() {
    let (state, _pings) = state(&Config::default());
    let step = Step {
        peer: PeerAddress::of([203, 0, 113, 7].into(), 64),
        act: GuardAct::Limit,
        connections: Vec::new(),
        well: Some(0),
    };
    let counted = || state.guard.status().spared.get(TRUSTED).copied();
    assert!(!has_come_to_be_trusted(&state, &step));
    assert_eq!(counted(), None);
    state.actions.trust(vec!["203.0.113.0/24".parse().unwrap()]);
    assert!(has_come_to_be_trusted(&state, &step));
    assert_eq!(counted(), Some(1));
    assert!(SPARED_REASONS.contains(&TRUSTED));
}

#[tokio::test]
async fn a_round_ends_where_the_guard_is_switched_off_or_the_agent_stops() {
    let (state, _pings) = state(&Config::default());
    let switch = |mode| {
        let config = GuardConfig {
            mode,
            ..state.guard.config()
        };
        state.guard.configure(config);
    };
    switch(GuardMode::Enforce);
    assert!(!is_called_off(&state, GuardMode::Enforce));
    switch(GuardMode::DryRun);
    assert!(is_called_off(&state, GuardMode::Enforce));
    assert!(!is_called_off(&state, GuardMode::DryRun));
    state.stop();
    assert!(is_called_off(&state, GuardMode::DryRun));
}

/// An accused peer at this address, with so many new connections below the drain floor.
fn suspect(address: [u8; 4], ports: std::ops::Range<u16>) -> GuardSuspect {
    let now = clock::now();
    let stalled = ports.map(|port| StalledConnection {
        connection: ConnectionId {
            socket: port.into(),
            local: SocketAddr::from(([192, 0, 2, 1], 80)),
            remote: SocketAddr::from((address, port)),
            netns: 1,
        },
        first_seen: now,
        since: now,
        pinned_bytes: 1,
        is_on_our_way: true,
    });
    GuardSuspect {
        peer: PeerAddress::of(address.into(), 64),
        is_accused: true,
        is_shared: false,
        well: Some(0),
        stalled: stalled.collect(),
    }
}

/// Loopback is refused where it is to be limited.
#[tokio::test]
async fn only_a_limit_that_was_made_leads_to_a_block() {
    let (loopback, peer) = ([127, 0, 0, 1], [203, 0, 113, 7]);
    for (address, then) in [(loopback, GuardAct::Limit), (peer, GuardAct::Block)] {
        let (state, _pings) = state(&Config::default());
        let config = GuardConfig {
            mode: GuardMode::DryRun,
            ..state.guard.config()
        };
        state.guard.configure(config);
        let taker = Taker {
            state: &state,
            config,
            because: String::new(),
            namespaces: Arc::default(),
        };
        let decide = |ports| {
            let suspects = vec![suspect(address, ports)];
            let settings = config.settings(20);
            let steps = state.guard.decide(&settings, suspects, |_| false);
            steps.into_iter().next().unwrap()
        };
        let reset = decide(0..30);
        assert_eq!(reset.act, GuardAct::Reset);
        state.guard.note_made(&reset);
        let limit = decide(100..110);
        assert_eq!(limit.act, GuardAct::Limit);
        taker.take_and_report(&limit);
        assert_eq!(decide(200..210).act, then, "{address:?}");
    }
}
