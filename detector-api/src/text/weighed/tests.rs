use super::{Answer, Speaks, weighed};
use crate::fixtures;
use crate::snapshot::{
    FlagKind, HostPressure, Incident, IncidentCounts, IncidentKind, IncidentPeer, InterfaceCounts,
    Retransmits, Severity, Shrinks, Verdict,
};
use crate::tcp_memory::{HeldBytes, TcpMemoryHeld, Unread};

fn incident(verdict: Verdict) -> Incident {
    let mut incident = fixtures::incident("20261229T210100.000Z", "2026-12-29T21:01:00.000Z");
    incident.peers_total = 1;
    incident.peers = vec![IncidentPeer {
        peer: "203.0.113.9".to_owned(),
        verdict: Some(verdict),
        severity: Severity::Critical,
        flags: vec![FlagKind::StallHoard],
        peak_stalled_connections: 60,
        peak_pinned_bytes: 48_000_000,
        peak_held_workers: None,
        since: incident.began.clone(),
        until: incident.began.clone(),
    }];
    incident.counts = Some(IncidentCounts::default());
    incident
}

fn speaks(incident: &Incident, answer: Answer) -> (Speaks, String) {
    let all = weighed(incident);
    let found = all.into_iter().find(|each| each.answer == answer).unwrap();
    (found.speaks, found.text)
}

/// Each verdict speaks for one answer and against the others.
#[test]
fn a_verdict_speaks_for_its_own_answer() {
    for (verdict, answer) in [
        (Verdict::ZeroWindowAttack, Answer::Attack),
        (Verdict::SlowReadAttack, Answer::Attack),
        (Verdict::Tarpit, Answer::Tarpit),
        (Verdict::PathLoss, Answer::Path),
        (Verdict::Vanished, Answer::Path),
        (Verdict::ShrinkingPeer, Answer::Stack),
    ] {
        let incident = incident(verdict);
        for each in weighed(&incident) {
            let is_it = each.answer == answer;
            assert_eq!(each.speaks == Speaks::For, is_it, "{verdict:?}: {each:?}");
            if is_it {
                let numbers = "1 of 1 peer (203.0.113.9), with 60 stalled connections and 48 MB";
                assert!(each.text.contains(numbers), "{each:?}");
            }
        }
    }
}

#[test]
fn numbers_speak_without_a_verdict() {
    let mut calm = incident(Verdict::SlowClient);
    for answer in [Answer::Attack, Answer::Tarpit, Answer::Path, Answer::Stack] {
        assert_eq!(speaks(&calm, answer).0, Speaks::Against, "{answer:?}");
    }
    assert_eq!(speaks(&calm, Answer::OwnProgram).0, Speaks::Open);
    calm.counts = Some(IncidentCounts {
        window_shrinks: Shrinks {
            polite: 1,
            below_flight: 2,
            treason: 3,
        },
        retransmits: Retransmits {
            loss: 12,
            tail_probe: 4,
            window_probe: 340,
        },
        retransmits_needless: 3,
        interfaces: InterfaceCounts {
            rx_errors: 10,
            ..InterfaceCounts::default()
        },
        aborted_on_memory: 0,
    });
    let (path, text) = speaks(&calm, Answer::Path);
    assert_eq!(path, Speaks::For);
    assert!(
        text.contains("10 errors and 0 drops; 12 segments were sent again for loss")
            && text.contains("340 into closed windows"),
        "{text}"
    );
    let (stack, text) = speaks(&calm, Answer::Stack);
    assert_eq!(stack, Speaks::Open);
    assert!(
        text.contains("6 times: 1 that was not used, 2 below"),
        "{text}"
    );
    calm.counts = None;
    assert_eq!(speaks(&calm, Answer::Path).0, Speaks::Open);
    assert_eq!(speaks(&calm, Answer::Stack).0, Speaks::Open);
    let mut crowded = calm.clone();
    crowded.peers_total += 1;
    calm.peers[0].verdict = None;
    for unjudged in [calm, crowded] {
        for answer in [Answer::Attack, Answer::Tarpit] {
            assert_eq!(speaks(&unjudged, answer).0, Speaks::Open, "{answer:?}");
        }
    }
}

#[test]
fn a_program_that_does_not_read_is_named() {
    let mut incident = incident(Verdict::SlowClient);
    let held = |receive| TcpMemoryHeld {
        counted_bytes: 100_000_000,
        held_bytes: HeldBytes {
            receive,
            ..HeldBytes::default()
        },
        unread: vec![Unread {
            process: None,
            bytes: receive,
            sockets: 2,
            not_accepted: 0,
        }],
        ..TcpMemoryHeld::default()
    };
    incident.tcp_memory_held = Some(held(80_000_000));
    let (own, text) = speaks(&incident, Answer::OwnProgram);
    assert_eq!(own, Speaks::For);
    assert!(text.contains("80 MB of the 100 MB"), "{text}");
    incident.tcp_memory_held = Some(held(1_000_000));
    assert_eq!(speaks(&incident, Answer::OwnProgram).0, Speaks::Against);
}

#[test]
fn of_a_kill_the_memory_is_weighed_too() {
    let mut incident = incident(Verdict::ZeroWindowAttack);
    let answers = |incident: &Incident| weighed(incident).len();
    assert_eq!(answers(&incident), 5);
    incident.kinds.push(IncidentKind::OomKill);
    assert_eq!(answers(&incident), 5, "the host is not known");
    let host = |tcp, workers| {
        Some(HostPressure {
            tcp_memory_bytes: Some(tcp),
            memory_total_bytes: Some(4_000_000_000),
            held_workers: Some(workers),
            ..HostPressure::default()
        })
    };
    for (tcp, workers, expected) in [
        (400_000_000, 0, Speaks::For),
        (4_000_000, 96, Speaks::For),
        (4_000_000, 2, Speaks::Against),
    ] {
        incident.host = host(tcp, workers);
        let (memory, text) = speaks(&incident, Answer::TcpMemory);
        assert_eq!(memory, expected, "{text}");
    }
}
