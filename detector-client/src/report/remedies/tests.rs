//! Settings, tried on seconds that were made up.

use super::{HOARD, Tried, of_hoards};
use crate::report::model::{Remedies, Time};
use crate::report::recording::Recording;
use crate::report::stalls::{Stall, stalls};
use crate::report::tests::{quiet_recording, thread_time};
use detector_api::fixtures;
use detector_api::snapshot::{IncidentPeer, Severity};
use detector_recorder::{HoardSecond, HoardSeconds, PEERS_EACH_SECOND, PeerSecond};
use std::collections::HashMap;
use std::time::Duration;

pub(super) static NO_HOARD: HoardSeconds = HoardSeconds {
    seconds: Vec::new(),
    one_of: 1,
};

/// All seconds of the recording, one after the other.
fn hoard(recording: &Recording) -> HoardSeconds {
    let seconds = recording.seconds.iter();
    let next = seconds.clone().skip(1).map(|next| Some(next.at.unix_ms));
    let seconds = seconds.zip(next.chain([None]));
    let seconds = seconds.map(|(second, next_ms)| HoardSecond {
        lasted_ms: next_ms.map_or(0, |next_ms| next_ms - second.at.unix_ms),
        second: second.clone(),
        next_ms,
    });
    HoardSeconds {
        seconds: seconds.collect(),
        one_of: 1,
    }
}

/// Two minutes in which each of so many peers holds two connections; so many of them, from the last on, take
/// part in an incident, all of them named.
fn held_by(peers: usize, involved: usize) -> (Recording, Vec<Stall>) {
    const SECONDS: i64 = 120;
    let mut recording = quiet_recording();
    let template = stalls(&recording).remove(0);
    let mut second = recording.seconds.remove(0);
    let began = second.at.unix_ms;
    let names: Vec<_> = (0..peers)
        .map(|number| format!("203.0.113.{number}"))
        .collect();
    let mut incident = fixtures::incident("20261229T120040.000Z", &Time(began).rfc3339());
    incident.peers_total = involved as u64;
    incident.peers = names[peers - involved..]
        .iter()
        .map(|name| IncidentPeer {
            peer: name.clone(),
            verdict: None,
            severity: Severity::Warning,
            flags: Vec::new(),
            peak_stalled_connections: 2,
            peak_pinned_bytes: 2_000_000,
            peak_held_workers: None,
            since: incident.began.clone(),
            until: Time(began + SECONDS * 1_000).rfc3339(),
        })
        .collect();
    recording.incidents = vec![incident];
    let written = names.iter().take(PEERS_EACH_SECOND).map(|name| PeerSecond {
        peer: name.clone(),
        stalled_connections: 2,
        pinned_bytes: 2_000_000,
        ..PeerSecond::default()
    });
    second.peers = written.collect();
    let stalled = i64::try_from(peers).unwrap() * 2;
    second.host.stalled_connections = Some(stalled);
    second.host.pinned_bytes = Some(stalled * 1_000_000);
    recording.seconds = (0..SECONDS)
        .map(|number| {
            let mut second = second.clone();
            second.at.unix_ms = began + number * 1_000;
            second
        })
        .collect();
    // Of the last twelve no timeout sees anything.
    let stalls = names.iter().enumerate().flat_map(|(number, name)| {
        [1, 2].map(|port| Stall {
            peer: name.clone(),
            remote: format!("{name}:{port}"),
            began: Time(began),
            ended: Time(began + SECONDS * 1_000),
            pinned_bytes: 1_000_000,
            makes_no_progress: number + 12 < peers,
            ..template.clone()
        })
    });
    let stalls = stalls.collect();
    (recording, stalls)
}

fn tried((recording, stalls): (Recording, Vec<Stall>)) -> Remedies {
    let tried = Tried {
        recordings: &[recording],
        stalls: &[stalls],
        verdicts: &HashMap::new(),
        only: None,
    };
    of_hoards(tried, &[hoard(&tried.recordings[0])], HOARD)
}

/// More peers are named of an incident than are written each second.
#[test]
fn a_timeout_spares_no_danger_that_peers_are_who_were_not_written() {
    let bound = "upper bounds";
    // The last do without a place among those that are written where others hold as much.
    for (peers, involved, is_bound) in [
        (PEERS_EACH_SECOND, PEERS_EACH_SECOND, false),
        (32, 32, true),
        (32, 12, true),
    ] {
        let tried = tried(held_by(peers, involved));
        assert!((tried.danger_seconds - 119.0).abs() < 1.0, "{tried:?}");
        // 24 connections go on, and 20 are a hoard.
        let timeout = &tried.timeouts[0];
        assert!(
            (timeout.danger_seconds - 119.0).abs() < 1.0,
            "{peers}, {involved}: {timeout:?}"
        );
        let told = tried.undecided.iter().any(|line| line.contains(bound));
        assert_eq!(told, is_bound, "{:?}", tried.undecided);
    }
}

#[test]
fn how_coarse_times_in_danger_are_is_told() {
    for (span_seconds, one_of, words) in [
        (1, 1, None),
        (
            1,
            7,
            Some("Of 7 recorded seconds that follow each other one was tried"),
        ),
        (
            60,
            1,
            Some("up to 60 s count as the one in which most was held"),
        ),
    ] {
        let (recording, stalls) = held_by(12, 12);
        let mut hoard = hoard(&recording);
        hoard.one_of = one_of;
        hoard.seconds[3].second.span_seconds = span_seconds;
        let tried = Tried {
            recordings: &[recording],
            stalls: &[stalls],
            verdicts: &HashMap::new(),
            only: None,
        };
        let undecided = of_hoards(tried, &[hoard], HOARD).undecided;
        let told = undecided.iter().find(|line| line.contains("to the second"));
        match words {
            None => assert_eq!(told, None),
            Some(words) => assert!(told.is_some_and(|told| told.contains(words)), "{told:?}"),
        }
    }
}

/// Six hundred seconds of danger, and many stalls of others, in a build that is not even optimised.
#[test]
fn many_stalls_and_long_danger_are_tried_at_once() {
    let mut recording = quiet_recording();
    let stall = stalls(&recording).remove(0);
    let mut second = recording.seconds.remove(0);
    second.peers[0].stalled_connections = 30;
    second.host.stalled_connections = Some(30);
    let began = second.at.unix_ms;
    recording.seconds = (0..600)
        .map(|number| {
            let mut second = second.clone();
            second.at.unix_ms = began + number * 1_000;
            second
        })
        .collect();
    let many = (0..20_000).map(|number| {
        let mut stall = stall.clone();
        let began = began + number * 30;
        (stall.began, stall.ended) = (Time(began), Time(began + 20_000));
        stall.peer = format!("198.51.{}.{}", number / 250, number % 250);
        stall
    });
    let (recordings, stalls) = ([recording], [many.collect::<Vec<_>>()]);
    let hoards = [hoard(&recordings[0])];
    let began = thread_time();
    let tried = Tried {
        recordings: &recordings,
        stalls: &stalls,
        verdicts: &HashMap::new(),
        only: Some(&stall.peer),
    };
    let tried = of_hoards(tried, &hoards, HOARD);
    let took = thread_time() - began;
    assert!(
        (tried.danger_seconds - 599.0).abs() < 1.0,
        "{}",
        tried.danger_seconds
    );
    assert!(took <= Duration::from_secs(1), "{took:?}");
}
