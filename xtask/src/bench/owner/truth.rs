//! Which processes hold the sockets, as `ss` finds them, and which the agent names.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Local and remote address of a connection.
pub(super) type Ends = (String, String);

/// Processes that hold the socket of each connection with data in its queue, by `ss -tnpH`.
pub(super) fn holders_in(said: &str) -> HashMap<Ends, HashSet<u64>> {
    said.lines().filter_map(holders_of).collect()
}

/// `ESTAB 0 61440 192.0.2.1:80 192.0.2.2:39744 users:(("nginx",pid=812,fd=9),…)`; the state is left
/// out where only one is asked for.
fn holders_of(line: &str) -> Option<(Ends, HashSet<u64>)> {
    let (line, users) = line.split_once("users:")?;
    let mut fields = line.split_whitespace().rev();
    let (remote, local) = (fields.next()?, fields.next()?);
    let queued: u64 = fields.next()?.parse().ok()?;
    let pids = users.split("pid=").skip(1).filter_map(|rest| {
        let digits = rest.split(|each: char| !each.is_ascii_digit()).next()?;
        digits.parse().ok()
    });
    (queued > 0).then(|| ((local.to_owned(), remote.to_owned()), pids.collect()))
}

/// A connection as the agent lists it.
#[derive(Debug, PartialEq)]
pub(super) struct Listed {
    /// Whether it is told to be stalled.
    pub(super) is_stalled: bool,
    /// The process named first.
    pub(super) owner: Option<u64>,
    /// When the agent first heard of it, seconds of the day.
    pub(super) seen_at: f64,
}

/// What `detector connections --json` printed.
pub(super) fn listed_in(said: &str) -> Result<HashMap<Ends, Listed>> {
    let rows: Vec<Value> = serde_json::from_str(said).context("the agent's list is not JSON")?;
    rows.iter()
        .map(|row| listed(row).with_context(|| format!("the agent lists something else: {row}")))
        .collect()
}

fn listed(row: &Value) -> Option<(Ends, Listed)> {
    let text = |name: &str| row.get(name)?.as_str();
    let ends = (text("local")?.to_owned(), text("remote")?.to_owned());
    let listed = Listed {
        is_stalled: !row.get("stall")?.is_null(),
        owner: row.pointer("/processes/0/pid").and_then(Value::as_u64),
        seen_at: second_of_day(text("first_seen")?)?,
    };
    Some((ends, listed))
}

/// From `2026-11-22T22:24:40.125Z`.
fn second_of_day(time: &str) -> Option<f64> {
    let clock = time.split_once('T')?.1.strip_suffix('Z')?;
    let numbers: Option<Vec<f64>> = clock.split(':').map(|each| each.parse().ok()).collect();
    match numbers?.as_slice() {
        [hours, minutes, seconds] => Some((hours * 60.0 + minutes) * 60.0 + seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_read_from_what_ss_prints() {
        let said = "ESTAB 0 61440 192.0.2.1:80 192.0.2.2:39744 users:((\"ngi pid=7x\",pid=812,fd=9),(\"nginx\",pid=813,fd=9))\n\
                    ESTAB 0 0 192.0.2.1:80 192.0.2.2:39746 users:((\"nginx\",pid=812,fd=10))\n\
                    FIN-WAIT-1 0 5 192.0.2.1:80 192.0.2.2:39748\n";
        let found = holders_in(said);
        assert_eq!(found.len(), 1, "{found:?}");
        let pids = found.into_values().next().unwrap();
        assert!(pids.contains(&812) && pids.contains(&813), "{pids:?}");
    }

    #[test]
    fn rows_are_read_from_what_the_agent_prints() {
        let said = r#"[{"local":"192.0.2.1:80","remote":"192.0.2.2:1","stall":"zero_window",
            "processes":[{"pid":812}],"first_seen":"2026-11-22T01:00:02.500Z"},
            {"local":"192.0.2.1:80","remote":"192.0.2.2:2","stall":null,"processes":[],
            "first_seen":"2026-11-22T00:00:00Z"}]"#;
        let found = listed_in(said).unwrap();
        let ends = |port: u16| ("192.0.2.1:80".to_owned(), format!("192.0.2.2:{port}"));
        let expected = Listed {
            is_stalled: true,
            owner: Some(812),
            seen_at: 3_602.5,
        };
        assert_eq!(found[&ends(1)], expected);
        assert!(!found[&ends(2)].is_stalled && found[&ends(2)].owner.is_none());
        listed_in("[{}]").unwrap_err();
        listed_in("{").unwrap_err();
    }
}
