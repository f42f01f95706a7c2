//! Where there is more than the agent knows.

use super::{ListQuery, Sort};
use crate::commands::AgentOrRecorder;
use crate::commands::fake_agent::answering;
use crate::filter::Filter;
use detector_api::row::PeerRow;

#[test]
fn what_an_agent_has_nothing_of_since_then_may_be_in_its_recorder() {
    let has_recorder = r#"{"recorder":{"file":"/state/recorder.db","bytes":1,"failure":null}}"#;
    for (status, since, expected) in [
        (
            has_recorder,
            Some("24h"),
            Some("`detector peers --since 24h --state-dir /state`"),
        ),
        (
            has_recorder,
            Some("2026-12-29 21:04:05Z"),
            Some("`detector peers --since '2026-12-29 21:04:05Z' --state-dir /state`"),
        ),
        (has_recorder, None, None),
        (r#"{"recorder":null}"#, Some("24h"), None),
    ] {
        let agent = answering(move |_| (200, status.to_owned()));
        let filter = Filter::<PeerRow>::default();
        let query = ListQuery {
            filter: &filter,
            sort: Sort::default(),
            columns: None,
            limit: 0,
            since,
            json: false,
            place: AgentOrRecorder {
                socket: agent.socket(),
                state_dir: None,
            },
        };
        let told = query.older();
        match expected {
            None => assert_eq!(told, None),
            Some(command) => assert!(told.is_some_and(|told| told.contains(command))),
        }
    }
}
