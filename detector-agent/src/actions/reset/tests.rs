use super::{Candidate, ResetFilter, ResetPlan, why_none};
use crate::netlink::sock_diag::Found;
use detector_api::actions::{ResetOutcome, ResetRequest, SocketName};
use detector_api::fixtures::{connection, peer};
use detector_api::snapshot::{Assessment, Connection, PeerDetail, StallCause};

fn detail(connections: Vec<Connection>) -> PeerDetail {
    PeerDetail {
        unit_shares: Vec::new(),
        peer: peer("198.51.100.7", 1).peer,
        assessment: Assessment {
            verdict: None,
            confidence: None,
            since: None,
            evidence_for: Vec::new(),
            evidence_against: Vec::new(),
            considered: Vec::new(),
            would_change: Vec::new(),
            advice: Vec::new(),
        },
        connections_total: connections.len() as u64 + 2,
        connections,
    }
}

fn request(only: Option<Vec<SocketName>>) -> ResetRequest {
    ResetRequest {
        peer: "198.51.100.7".to_owned(),
        stalled_for_seconds: 30.0,
        only,
        dry_run: true,
    }
}

fn named(remote: &str, local: Option<&str>, netns: Option<u32>) -> SocketName {
    SocketName {
        local: local.map(str::to_owned),
        remote: remote.to_owned(),
        netns,
    }
}

/// As the engine chooses.
fn wanted(request: &ResetRequest, connections: Vec<Connection>) -> Vec<Connection> {
    let choice = ResetFilter::of(request);
    let wants = |each: &Connection| {
        let (local, remote) = (each.local.parse().unwrap(), each.remote.parse().unwrap());
        choice.wants(each.netns, local, remote)
    };
    connections.into_iter().filter(wants).collect()
}

fn chosen(plan: &ResetPlan) -> Vec<&str> {
    let all = plan.candidates.values().flatten();
    all.map(|candidate| candidate.report.remote.as_str())
        .collect()
}

fn some() -> Vec<Connection> {
    let stalled = connection("198.51.100.7:1", 100);
    let healthy = Connection {
        stall: None,
        stalled_seconds: 0.0,
        ..connection("198.51.100.7:2", 100)
    };
    let young = Connection {
        stalled_seconds: 29.9,
        ..connection("198.51.100.7:3", 100)
    };
    let elsewhere = Connection {
        netns: 7,
        ..connection("198.51.100.7:4", 100)
    };
    vec![stalled, healthy, young, elsewhere]
}

#[test]
fn only_sockets_that_have_been_stalled_for_long_are_chosen() {
    let plan = ResetPlan::of(&detail(some()), &request(None));
    assert_eq!(chosen(&plan), ["198.51.100.7:4", "198.51.100.7:1"]);
    assert_eq!(plan.answer.too_young, 1);
    assert_eq!(plan.answer.not_looked_at, 2);
}

#[test]
fn named_sockets_are_chosen_only_if_they_are_stalled_too() {
    for (names, expected) in [
        (
            vec![named("198.51.100.7:1", None, None)],
            &["198.51.100.7:1"][..],
        ),
        (
            vec![named("[::ffff:198.51.100.7]:1", Some("192.0.2.1:80"), None)],
            &["198.51.100.7:1"],
        ),
        (vec![named("198.51.100.7:1", None, Some(7))], &[]),
        (
            vec![named("198.51.100.7:4", None, Some(7))],
            &["198.51.100.7:4"],
        ),
        (
            vec![named("198.51.100.7:1", Some("192.0.2.1:443"), None)],
            &[],
        ),
        (vec![named("198.51.100.7:2", None, None)], &[]),
        (vec![named("nonsense", None, None)], &[]),
        (vec![], &[]),
    ] {
        let request = request(Some(names.clone()));
        let plan = ResetPlan::of(&detail(wanted(&request, some())), &request);
        assert_eq!(chosen(&plan), expected, "{names:?}");
    }
}

#[test]
fn one_address_stands_for_itself_and_not_for_its_network() {
    let all = || {
        let ends = ["[2001:db8::7]:1", "[2001:db8::8]:1"];
        Vec::from(ends.map(|remote| connection(remote, 100)))
    };
    for (peer, expected) in [("2001:db8::7", 1), ("2001:db8::/64", 2), ("2001:db8::9", 0)] {
        let request = ResetRequest {
            peer: peer.to_owned(),
            ..request(None)
        };
        assert_eq!(wanted(&request, all()).len(), expected, "{peer}");
    }
}

fn candidate(stall: StallCause) -> Candidate {
    let connection = Connection {
        inode: Some(77),
        bytes_acked: 1_000,
        mss_bytes: 1_448,
        ..connection("198.51.100.7:1", 100)
    };
    super::candidate(&connection, stall).unwrap()
}

fn objection(stall: StallCause, found: Found) -> Option<ResetOutcome> {
    let candidate = candidate(stall);
    candidate.objection(&found).map(|(outcome, _)| outcome)
}

#[test]
fn what_has_changed_since_the_engine_looked_is_left_alone() {
    let zero = StallCause::ZeroWindow;
    let gone = Some(ResetOutcome::Gone);
    let resumed = Some(ResetOutcome::Resumed);
    for (found, expected) in [
        (Found::sample(1, 100, 77, 1_000), None),
        // The process has let go of it.
        (Found::sample(4, 100, 0, 1_000), None),
        // Teased, not read.
        (Found::sample(1, 100, 77, 1_010), None),
        (Found::sample(1, 100, 77, 2_448), resumed),
        (Found::sample(1, 0, 77, 1_000), resumed),
        (Found::sample(1, 100, 78, 1_000), gone),
        // An orphan of the same ends that has had less acknowledged.
        (Found::sample(4, 100, 0, 999), gone),
        // A listener, and what is closing in peace.
        (Found::sample(10, 100, 77, 1_000), gone),
        (Found::sample(6, 100, 0, 1_000), gone),
    ] {
        assert_eq!(objection(zero, found), expected, "{found:?}");
    }
    let dribbles = Found::sample(1, 100, 77, 9_000);
    assert_eq!(objection(StallCause::Dribble, dribbles), None);
}

#[test]
fn what_is_foreseen_is_what_would_be_carried_out() {
    let answer = ResetPlan::of(&detail(some()), &request(None)).foresee(|_| true);
    assert_eq!(why_none(&answer), None);
    let outcomes: Vec<_> = answer.sockets.iter().map(|each| each.outcome).collect();
    assert_eq!(outcomes, [ResetOutcome::WouldReset; 2]);
    assert_eq!((answer.reset, answer.too_young), (2, 1));
    let pinned: u64 = answer.sockets.iter().map(|each| each.pinned_bytes).sum();
    assert!(answer.freed_bytes == pinned && pinned > 0);
}

#[test]
fn where_nothing_can_be_closed_the_first_reason_is_told() {
    let answer = ResetPlan::of(&detail(some()), &request(None)).foresee(|_| false);
    assert_eq!((answer.reset, answer.freed_bytes), (0, 0));
    assert!(why_none(&answer).is_some_and(|why| why.contains("CAP_SYS_ADMIN")));
    let mut some_are_closed = answer.clone();
    some_are_closed.reset = 1;
    assert_eq!(why_none(&some_are_closed), None);
    let mut gone = answer;
    for socket in &mut gone.sockets {
        socket.outcome = ResetOutcome::Gone;
    }
    assert_eq!(why_none(&gone), None);
}

#[test]
fn an_orphan_that_a_process_holds_is_another_socket() {
    let mut orphan = candidate(StallCause::ZeroWindow);
    (orphan.is_orphan, orphan.inode) = (true, None);
    assert_eq!(orphan.objection(&Found::sample(4, 100, 0, 1_000)), None);
    let adopted = orphan.objection(&Found::sample(1, 100, 78, 1_000));
    assert!(matches!(adopted, Some((ResetOutcome::Gone, Some(_)))));
}

#[test]
fn numbers_of_inodes_wrap_as_the_kernel_has_them() {
    let mut candidate = candidate(StallCause::ZeroWindow);
    candidate.inode = Some((1 << 32) + 77);
    assert_eq!(candidate.objection(&Found::sample(1, 1, 77, 1_000)), None);
}
