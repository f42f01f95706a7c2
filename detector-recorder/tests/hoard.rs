//! For how long a hoard was held, row by row.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use detector_api::snapshot::HoardThresholds;
use detector_recorder::{
    Batch, FILE_NAME, HoardSeconds, HoardWanted, HostSecond, PeerSecond, Reader, Span,
};
use rusqlite::Connection;
use support::{BEGAN_MS, at, open};
use tempfile::TempDir;

const PEER: &str = "203.0.113.9";
const LEAST: HoardThresholds = HoardThresholds {
    hoard_connections: 20,
    hoard_bytes: 64 << 20,
};

/// What two peers hold in these seconds, each a run.
fn recorded(runs: &[&[(i64, i64, i64)]]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for run in runs {
        let mut recorder = open(folder.path(), run[0].0);
        for (second, held, others) in *run {
            let peer = |name: &str, stalled_connections| PeerSecond {
                peer: name.to_owned(),
                stalled_connections,
                pinned_bytes: stalled_connections * 1_000,
                ..PeerSecond::default()
            };
            let batch = Batch {
                at: at(*second),
                host: Some(HostSecond {
                    stalled_connections: Some(held + others),
                    pinned_bytes: Some((held + others) * 1_000),
                    ..HostSecond::default()
                }),
                peers: vec![peer("198.51.100.7", *others), peer(PEER, *held)],
                ..Batch::default()
            };
            recorder.record(&batch).unwrap();
        }
    }
    folder
}

fn read(folder: &TempDir, peer: Option<&str>, limit: usize) -> HoardSeconds {
    let reader = Reader::open(folder.path()).unwrap();
    let wanted = HoardWanted {
        span: Span::ALL,
        least: LEAST,
        peer,
    };
    reader.hoard_seconds(wanted, limit).unwrap()
}

/// When each was, how long it lasted, and when the next one is, in seconds.
fn told(hoard: &HoardSeconds) -> Vec<(i64, i64, Option<i64>)> {
    let seconds = |ms: i64| (ms - BEGAN_MS) / 1_000;
    let told = hoard.seconds.iter().map(|each| {
        let at = seconds(each.second.at.unix_ms);
        (at, each.lasted_ms / 1_000, each.next_ms.map(seconds))
    });
    told.collect()
}

#[test]
fn each_second_lasts_until_the_next_one_and_no_longer_than_it_stands_for() {
    // The third comes late, after the fourth the agent was frozen; then it is killed.
    let first = [(1, 30, 0), (2, 0, 5), (3, 30, 0), (6, 20, 0), (40, 30, 0)];
    let second = [(900, 30, 0), (901, 3, 3)];
    let folder = recorded(&[&first, &second]);
    let expected = [
        (1, 1, Some(2)),
        (3, 3, Some(6)),
        (6, 5, Some(40)),
        (40, 0, Some(900)),
        (900, 1, Some(901)),
    ];
    assert_eq!(told(&read(&folder, None, 100)), expected);
    // Thinned, it stands for ten of them.
    let writer = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    writer
        .execute("UPDATE host_seconds SET span = 10", [])
        .unwrap();
    drop(writer);
    let lasted: Vec<_> = told(&read(&folder, None, 100))
        .iter()
        .map(|each| each.1)
        .collect();
    assert_eq!(lasted, [1, 3, 10, 0, 1]);
}

#[test]
fn of_one_peer_only_its_own_hoards_count() {
    let folder = recorded(&[&[(1, 30, 0), (2, 5, 60), (3, 19, 2), (4, 20, 70), (5, 0, 0)]]);
    let all = told(&read(&folder, None, 100));
    assert_eq!(all.len(), 4);
    let one = told(&read(&folder, Some(PEER), 100));
    assert_eq!(one, [(1, 1, Some(2)), (4, 1, Some(5))]);
    let reader = Reader::open(folder.path()).unwrap();
    let worst = |peer| {
        let second = reader.worst_second(Span::ALL, peer).unwrap().unwrap();
        assert_eq!(second.peers.len(), 2);
        (second.at.unix_ms - BEGAN_MS) / 1_000
    };
    assert_eq!((worst(None), worst(Some(PEER))), (4, 1));
    assert_eq!(
        reader.worst_second(Span::ALL, Some("192.0.2.1")).unwrap(),
        None
    );
}

#[test]
fn of_very_many_neighbours_one_stands_for_the_others() {
    let seconds: Vec<_> = (1..=101).map(|second| (second, 30, 0)).collect();
    let folder = recorded(&[&seconds]);
    let all = read(&folder, None, 101);
    assert_eq!((all.one_of, all.seconds.len()), (1, 101));
    let some = read(&folder, None, 26);
    assert_eq!((some.one_of, some.seconds.len()), (4, 26));
    let first = told(&some)[0];
    assert_eq!(first, (3, 4, Some(5)));
    let lasted = |hoard: &HoardSeconds| told(hoard).iter().map(|each| each.1).sum::<i64>();
    assert_eq!((lasted(&some), lasted(&all)), (100, 100));
}
