//! What agents of other versions send is understood, or kept as it is.

use super::{Change, Condition, Considered, Event, Evidence, FlagEvidence, FlagKind, Numbers};
use crate::fixtures;
use serde_json::json;

#[test]
fn evidence_is_written_as_code_and_numbers_and_counts_are_whole() {
    let evidence = Evidence::Quiet { quiet_seconds: 4.5 };
    let json = json!({ "code": "quiet", "numbers": { "quiet_seconds": 4.5 } });
    assert_eq!(serde_json::to_value(&evidence).unwrap(), json);
    let bare = serde_json::to_string(&Evidence::TrustedNetwork {}).unwrap();
    assert_eq!(bare, r#"{"code":"trusted-network","numbers":{}}"#);
    let change = Change {
        condition: Condition::ReadsOn {},
        verdict: None,
    };
    let json = serde_json::to_string(&change).unwrap();
    assert_eq!(json, r#"{"code":"reads-on","numbers":{},"verdict":null}"#);
    let event = fixtures::event(1, FlagKind::Dribble, &[("queued_bytes", 12_600.0)]);
    let json = serde_json::to_string(&event).unwrap();
    assert!(json.contains(r#""kind":"dribble","evidence":{"#), "{json}");
    assert!(json.contains(r#""queued_bytes":12600,"#), "{json}");
}

#[test]
fn counts_that_were_sent_as_floats_are_read() {
    let json = json!({ "code": "zero-window", "numbers": { "connections": 31.0, "more": 1 } });
    let evidence: Evidence = serde_json::from_value(json).unwrap();
    assert_eq!(evidence, Evidence::ZeroWindow { connections: 31 });
    let numbers = json!({ "granularity_retreats": 2.0, "shrinks": 1 });
    let json =
        json!({ "cause": "scaling-granularity", "numbers": numbers, "outcome": "ruled-out" });
    let considered: Considered = serde_json::from_value(json).unwrap();
    assert_eq!(considered.cause.code(), "scaling-granularity");
    assert!(!format!("{considered:?}").contains("Other"));
}

#[test]
fn an_unknown_code_and_a_missing_number_are_kept_as_they_are() {
    for json in [
        json!({ "code": "sings-at-noon", "numbers": { "sung_bytes": 7 } }),
        json!({ "code": "zero-window", "numbers": {} }),
    ] {
        let evidence: Evidence = serde_json::from_value(json.clone()).unwrap();
        assert!(matches!(evidence, Evidence::Other { .. }), "{evidence:?}");
        assert_eq!(serde_json::to_value(&evidence).unwrap(), json);
    }
    let json = json!({ "code": "moves-away", "numbers": { "far": 1 }, "verdict": "benign" });
    let change: Change = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(change.condition.code(), "moves-away");
    assert_eq!(serde_json::to_value(&change).unwrap(), json);
}

#[test]
fn events_of_every_kind_are_read_as_they_are_written() {
    for kind in FlagKind::ALL {
        let event = fixtures::event(1, kind, &[("pinned_bytes", 5.0)]);
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["kind"], kind.label());
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
    let mut numbers = serde_json::to_value(fixtures::event(1, FlagKind::Dribble, &[])).unwrap();
    numbers["evidence"] = json!({ "pinned_bytes": 9, "of_old": 1.5 });
    let old: Event = serde_json::from_value(numbers.clone()).unwrap();
    assert!(matches!(old.flag, FlagEvidence::Other { .. }), "{old:?}");
    assert_eq!(old.kind(), FlagKind::Dribble);
    assert_eq!(old.flag.pinned_bytes(), Some(9));
    assert_eq!(serde_json::to_value(&old).unwrap(), numbers);
}

#[test]
fn a_hoard_names_its_company_only_where_there_is_one() {
    let alone = FlagEvidence::sample(FlagKind::StallHoard).numbers();
    let names = |numbers: &Numbers| numbers.keys().any(|name| name.starts_with("network_"));
    assert!(!names(&alone));
    let network = [
        ("network_peers", 6.0),
        ("network_connections", 21.0),
        ("network_pinned_bytes", 1.0),
    ];
    let together = fixtures::flag(FlagKind::StallHoard, &network);
    assert!(names(&together.numbers()));
    let FlagEvidence::StallHoard(hoard) = together else {
        panic!("{together:?}");
    };
    assert_eq!(hoard.network.unwrap().network_peers, 6);
    assert_eq!(hoard.alike, None);
}
