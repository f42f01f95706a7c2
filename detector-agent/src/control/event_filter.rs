//! Which events a reader asked for.

use crate::clock;
use detector_api::address::{concerns, network_of};
use detector_api::snapshot::{AgentNote, Event, FlagKind};
use detector_api::time;
use detector_api::time::rfc3339;
use ipnet::IpNet;

/// Bounds are inclusive; what is absent does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventFilter {
    /// RFC 3339 in UTC with milliseconds, as events carry it, so that text order is time order.
    since: Option<String>,
    until: Option<String>,
    peer: Option<IpNet>,
    kind: Option<FlagKind>,
    /// Number of the last event that the reader has; 0 for none.
    pub(crate) after: u64,
    /// Whether to go on with events as they happen.
    pub(crate) follows: bool,
}

impl EventFilter {
    /// Reads query parameters. Unknown names and broken values are refused: a filter that is
    /// silently ignored shows the wrong events.
    ///
    /// `after` is a number that `agent` gave, named by when it started; if numbers do not go on from
    /// those of that agent, the reader has nothing of this one.
    pub(crate) fn parse(
        parameters: &[(String, String)],
        goes_on_from: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut filter = Self::default();
        let mut is_of_another_agent = false;
        for (name, value) in parameters {
            match name.as_str() {
                "since" => filter.since = Some(parse_time(value)?),
                "until" => filter.until = Some(parse_time(value)?),
                "peer" => filter.peer = Some(parse_peer(value)?),
                "kind" => {
                    let kind = value.parse();
                    filter.kind = Some(kind.map_err(|_| format!("unknown kind `{value}`"))?);
                }
                "follow" => filter.follows = parse_switch(value)?,
                "after" => filter.after = parse_event_id(value)?,
                "agent" => is_of_another_agent = !goes_on_from(value),
                _ => return Err(format!("unknown parameter `{name}`")),
            }
        }
        if is_of_another_agent {
            filter.after = 0;
        }
        Ok(filter)
    }

    /// Events of one peer.
    pub(crate) fn of_peer(peer: &str) -> Self {
        Self {
            peer: network_of(peer),
            ..Self::default()
        }
    }

    /// Whether what the agent says of itself was: not by who wants some peers or kinds of flags alone.
    pub(crate) fn wants_note(&self, note: &AgentNote) -> bool {
        self.peer.is_none() && self.kind.is_none() && self.is_within(&note.time)
    }

    fn is_within(&self, time: &str) -> bool {
        self.since.as_deref().is_none_or(|since| time >= since)
            && self.until.as_deref().is_none_or(|until| time <= until)
    }

    /// Whether an event was asked for.
    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.is_within(&event.time)
            && self.peer.is_none_or(|peer| concerns(&event.peer, peer))
            && self.kind.is_none_or(|kind| event.kind() == kind)
    }
}

fn parse_peer(value: &str) -> Result<IpNet, String> {
    network_of(value).ok_or_else(|| {
        format!(
            "`peer` is an address or a network such as 203.0.113.7 or 2001:db8::/64, not `{value}`"
        )
    })
}

fn parse_time(value: &str) -> Result<String, String> {
    time::parse(value, clock::unix_ns()).map(rfc3339)
}

fn parse_event_id(value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("`after` is the number of an event, not `{value}`"))
}

fn parse_switch(value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" | "" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("`follow` is 0 or 1, not `{value}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::EventFilter;
    use detector_api::fixtures::event;
    use detector_api::snapshot::FlagKind;

    fn parse(parameters: &[(&str, &str)]) -> Result<EventFilter, String> {
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        EventFilter::parse(&parameters, |agent| agent == "2026-12-29T00:00:00.000Z")
    }

    #[test]
    fn time_peer_and_kind_filter() {
        let stall = event(1, FlagKind::ZeroWindowStall, &[]);
        for (parameters, expected) in [
            (&[][..], true),
            (&[("since", "2026-12-29T21:04:05.123Z")], true),
            (&[("since", "2026-12-29T21:04:05.124Z")], false),
            (&[("until", "2026-12-29T22:04:05.123+01:00")], true),
            (&[("until", "2026-12-29T21:04:05Z")], false),
            (
                &[("peer", "198.51.100.7"), ("kind", "zero-window-stall")],
                true,
            ),
            (&[("peer", "198.51.100.8")], false),
            (&[("peer", "::ffff:198.51.100.7")], true),
            (&[("peer", "198.51.100.0/24")], true),
            (&[("peer", "198.51.101.0/24")], false),
            (&[("kind", "dribble")], false),
        ] {
            assert_eq!(
                parse(parameters).unwrap().wants(&stall),
                expected,
                "{parameters:?}"
            );
        }
    }

    #[test]
    fn a_number_counts_only_for_the_agent_that_gave_it() {
        for (parameters, after) in [
            (&[("after", "7")][..], 7),
            (&[("after", "7"), ("agent", "2026-12-29T00:00:00.000Z")], 7),
            (&[("agent", "2026-12-28T00:00:00.000Z"), ("after", "7")], 0),
        ] {
            assert_eq!(parse(parameters).unwrap().after, after, "{parameters:?}");
        }
        assert!(parse(&[("after", "x")]).is_err());
    }

    #[test]
    fn unknown_and_broken_parameters_are_refused() {
        for parameters in [
            ("sinc", "10m"),
            ("since", "soon"),
            ("kind", "x"),
            ("peer", "web"),
            ("follow", "maybe"),
        ] {
            assert!(parse(&[parameters]).is_err(), "{parameters:?}");
        }
        assert!(parse(&[("follow", "1")]).unwrap().follows);
    }
}
