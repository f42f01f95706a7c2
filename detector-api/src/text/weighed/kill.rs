//! What TCP had to do with an OOM kill: by the numbers of the kill itself, and of a control group's kill by
//! those of that group. Incidents of older agents do not have them: then by those of the moment at which most
//! was pinned, which may be minutes away.

use super::Speaks;
use crate::recorded::KillScope;
use crate::snapshot::{HostPressure, Incident, IncidentKill, IncidentKind};
use crate::text::counted;
use crate::{time, units};

/// TCP may be what took the memory from this part of it on, in percent,
const TCP_MATTERS_PERCENT: u64 = 5;
/// or from so many workers on that wait on stalled connections: each keeps a process of its own.
const WORKERS_MATTER: u64 = 8;

const HAD_ITS_PART: &str = ": that may have had its part in the kill.";
const HAD_NO_PART: &str = ": TCP was not what took the memory.";

/// `None` if there was none, or if the kernel does not say.
pub(super) fn weighed(incident: &Incident) -> Option<(Speaks, String)> {
    if !incident.kinds.contains(&IncidentKind::OomKill) {
        return None;
    }
    at_kills(&incident.kills).or_else(|| at_peak(incident))
}

/// By the kill in which TCP had the largest part; of several such the first.
fn at_kills(kills: &[IncidentKill]) -> Option<(Speaks, String)> {
    let told = kills.iter().filter_map(|kill| Some((kill, of_kill(kill)?)));
    let (kill, (speaks, text)) = told.rev().max_by_key(|(kill, (speaks, _))| {
        let is_for = match speaks {
            Speaks::For => 2,
            Speaks::Open => 1,
            Speaks::Against => 0,
        };
        (is_for, kill.tcp_percent())
    })?;
    let which = match kills.len() {
        1 => "",
        _ => ", of several the one in which TCP had the largest part",
    };
    let when = time::moment(&kill.time);
    Some((speaks, format!("At the kill of {when}{which}: {text}")))
}

fn of_kill(kill: &IncidentKill) -> Option<(Speaks, String)> {
    match kill.scope {
        KillScope::ControlGroup => Some(of_group(kill)),
        KillScope::Host => of_host(kill.host?, kill.pinned_bytes, HAD_NO_PART),
        KillScope::Unknown => of_host(kill.host?, kill.pinned_bytes, HAD_NO_PART_IN_ALL),
    }
}

/// Where nobody says whose memory was short.
const HAD_NO_PART_IN_ALL: &str = ": TCP was not what took the memory, unless a control group with a limit of \
                                  its own was short of it.";

fn at_peak(incident: &Incident) -> Option<(Speaks, String)> {
    let pinned = incident.peak_pinned_bytes;
    let (speaks, text) = of_host(incident.host?, pinned, HAD_NO_PART_IN_ALL)?;
    Some((speaks, format!("When most was pinned, {text}")))
}

/// Of the host's memory; `had_no_part` is said where TCP took little of it.
fn of_host(host: HostPressure, pinned_bytes: u64, had_no_part: &str) -> Option<(Speaks, String)> {
    let (tcp, total) = host.tcp_memory_bytes.zip(host.memory_total_bytes)?;
    let percent = host.tcp_percent()?;
    let workers = host.held_workers.unwrap_or(0);
    let (speaks, end) = if workers >= WORKERS_MATTER {
        let end = ", each with the memory of its process: that may have had its part in the kill.";
        (Speaks::For, end)
    } else if percent >= TCP_MATTERS_PERCENT {
        (Speaks::For, HAD_ITS_PART)
    } else {
        (Speaks::Against, had_no_part)
    };
    let waited = host.held_workers.map_or_else(String::new, |workers| {
        format!("; {} waited on them", counted(workers, "worker", "workers"))
    });
    let text = format!(
        "TCP held {} of the host's {} ({percent} %), of that stalled connections {}{waited}{end}",
        units::bytes(tcp),
        units::bytes(total),
        units::bytes(pinned_bytes),
    );
    Some((speaks, text))
}

/// Of the limit that a control group had reached: what else the host held does not count against it.
fn of_group(kill: &IncidentKill) -> (Speaks, String) {
    let workers = kill.host.and_then(|host| host.held_workers).unwrap_or(0);
    // Whose they are is not known here.
    let waited = (workers >= WORKERS_MATTER).then(|| {
        format!(
            "{} waited on stalled connections, and those that are of that group count against its limit with \
             the memory of their processes",
            counted(workers, "worker", "workers")
        )
    });
    let against = |text: String| match &waited {
        None => (Speaks::Against, text + HAD_NO_PART),
        Some(waited) => (Speaks::Open, format!("{text}; but {waited}.")),
    };
    let of_all = kill.host.and_then(|host| host.tcp_memory_bytes);
    match (kill.socket_bytes, kill.limit_bytes, of_all) {
        (Some(sockets), Some(limit), _) => {
            let percent = kill.tcp_percent().unwrap_or(0);
            let text = format!(
                "a control group was at its limit, and its sockets held {} of the {} that it may have \
                 ({percent} %)",
                units::bytes(sockets),
                units::bytes(limit)
            );
            if percent >= TCP_MATTERS_PERCENT {
                (Speaks::For, text + HAD_ITS_PART)
            } else {
                against(text)
            }
        }
        // Its sockets held no more than all of the host did.
        (None, Some(limit), Some(all)) if all < limit / 100 * TCP_MATTERS_PERCENT => {
            against(format!(
                "a control group was at its limit of {}, and all sockets of the host held {}",
                units::bytes(limit),
                units::bytes(all)
            ))
        }
        (sockets, limit, _) => {
            let limit =
                limit.map_or_else(String::new, |limit| format!(" of {}", units::bytes(limit)));
            let held = sockets.map_or_else(
                || "what its sockets held is not known".to_owned(),
                |sockets| format!("its sockets held {}", units::bytes(sockets)),
            );
            let waited = waited.map_or_else(String::new, |waited| format!("; {waited}"));
            let text = format!("a control group was at its limit{limit}; {held}{waited}.");
            (Speaks::Open, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::weighed;
    use crate::fixtures;
    use crate::recorded::KillScope;
    use crate::snapshot::{HostPressure, Incident, IncidentKill, IncidentKind};
    use crate::text::Speaks;

    fn host(tcp: u64, workers: u64) -> Option<HostPressure> {
        Some(HostPressure {
            tcp_memory_bytes: Some(tcp),
            memory_total_bytes: Some(4_000_000_000),
            held_workers: Some(workers),
            ..HostPressure::default()
        })
    }

    fn kill(scope: KillScope, host: Option<HostPressure>) -> IncidentKill {
        IncidentKill {
            time: "2026-12-29T21:04:05.000Z".to_owned(),
            pid: Some(870),
            scope,
            host,
            stalled_connections: 60,
            pinned_bytes: 380_000_000,
            socket_bytes: None,
            limit_bytes: None,
        }
    }

    fn of_group(
        sockets: Option<u64>,
        limit: Option<u64>,
        host: Option<HostPressure>,
    ) -> IncidentKill {
        IncidentKill {
            socket_bytes: sockets,
            limit_bytes: limit,
            ..kill(KillScope::ControlGroup, host)
        }
    }

    fn incident(kills: Vec<IncidentKill>) -> Incident {
        let mut incident = fixtures::incident("20261229T210100.000Z", "2026-12-29T21:01:00.000Z");
        incident.kinds.push(IncidentKind::OomKill);
        incident.kills = kills;
        incident
    }

    fn told(kills: Vec<IncidentKill>) -> (Speaks, String) {
        weighed(&incident(kills)).unwrap()
    }

    /// The moment of most pinned memory may be minutes before the kill or after it.
    #[test]
    fn the_numbers_of_the_kill_decide_and_not_those_of_the_peak() {
        for (at_kill, at_peak, expected) in [
            (host(400_000_000, 0), host(4_000_000, 0), Speaks::For),
            (host(4_000_000, 0), host(400_000_000, 96), Speaks::Against),
            (host(4_000_000, 8), host(4_000_000, 0), Speaks::For),
        ] {
            let mut incident = incident(vec![kill(KillScope::Host, at_kill)]);
            incident.host = at_peak;
            let (speaks, text) = weighed(&incident).unwrap();
            assert_eq!(speaks, expected, "{text}");
        }
        let (_, text) = told(vec![kill(KillScope::Host, host(400_000_000, 0))]);
        assert_eq!(
            text,
            "At the kill of 2026-12-29 21:04:05 UTC: TCP held 400 MB of the host's 4.0 GB (10 %), of that \
             stalled connections 380 MB; 0 workers waited on them: that may have had its part in the kill."
        );
        let against = |scope| told(vec![kill(scope, host(4_000_000, 0))]).1;
        assert!(against(KillScope::Host).ends_with(": TCP was not what took the memory."));
        assert!(against(KillScope::Unknown).contains("unless a control group with a limit"));
    }

    #[test]
    fn of_a_kill_in_a_control_group_its_sockets_against_its_limit_decide() {
        // All of the host's TCP is a tenth of its memory.
        let all = || host(400_000_000, 0);
        let limit = Some(268_000_000);
        let (speaks, text) = told(vec![of_group(Some(2_600_000), limit, all())]);
        assert_eq!(speaks, Speaks::Against);
        assert_eq!(
            text,
            "At the kill of 2026-12-29 21:04:05 UTC: a control group was at its limit, and its sockets held \
             2.6 MB of the 268 MB that it may have (0 %): TCP was not what took the memory."
        );
        // Next to nothing of the host's memory, and a fifth of the group's.
        let little = || host(54_000_000, 0);
        let (speaks, text) = told(vec![of_group(Some(53_600_000), limit, little())]);
        assert_eq!(speaks, Speaks::For, "{text}");
        assert!(
            text.contains("54 MB of the 268 MB that it may have (20 %)"),
            "{text}"
        );
        // Nobody tells what its sockets held: no more than all sockets of the host.
        let tiny = host(1_000_000, 0);
        assert_eq!(told(vec![of_group(None, limit, tiny)]).0, Speaks::Against);
        for unknown in [
            of_group(None, limit, all()),
            of_group(None, limit, None),
            of_group(Some(1), None, all()),
            of_group(None, None, all()),
        ] {
            let (speaks, text) = told(vec![unknown]);
            assert_eq!(speaks, Speaks::Open, "{text}");
        }
        // Whose workers those are that wait is not known.
        let (speaks, text) = told(vec![of_group(Some(1), limit, host(1, 8))]);
        assert_eq!(speaks, Speaks::Open, "{text}");
        assert!(
            text.contains("(0 %); but 8 workers waited on stalled connections"),
            "{text}"
        );
        // As where sockets do not count against the limit (cgroup v1): the workers may be all there is.
        let (speaks, text) = told(vec![of_group(None, limit, host(400_000_000, 50))]);
        assert_eq!(speaks, Speaks::Open, "{text}");
        assert!(
            text.contains("is not known; 50 workers waited on stalled connections, and"),
            "{text}"
        );
    }

    #[test]
    fn workers_that_nobody_counted_are_not_told_as_none() {
        let mut uncounted = host(400_000_000, 0).unwrap();
        uncounted.held_workers = None;
        let (speaks, text) = told(vec![kill(KillScope::Host, Some(uncounted))]);
        assert_eq!(speaks, Speaks::For, "{text}");
        assert!(
            text.ends_with("stalled connections 380 MB: that may have had its part in the kill."),
            "{text}"
        );
    }

    #[test]
    fn of_several_kills_the_one_is_told_in_which_tcp_had_most() {
        let at = |kill: IncidentKill, time: &str| IncidentKill {
            time: time.to_owned(),
            ..kill
        };
        let group = of_group(Some(1), Some(1_000_000_000), host(400_000_000, 0));
        let of_host = kill(KillScope::Host, host(400_000_000, 0));
        let (speaks, text) = told(vec![
            at(group.clone(), "2026-12-29T21:03:00.000Z"),
            at(of_host.clone(), "2026-12-29T21:04:00.000Z"),
            at(of_host, "2026-12-29T21:05:00.000Z"),
            at(group, "2026-12-29T21:06:00.000Z"),
        ]);
        assert_eq!(speaks, Speaks::For);
        let begin = "At the kill of 2026-12-29 21:04:00 UTC, of several the one in which TCP had the largest";
        assert!(text.starts_with(begin), "{text}");
    }

    /// An incident of an older agent, or one whose kill nobody saw.
    #[test]
    fn without_numbers_of_the_kill_the_moment_of_most_is_told_as_such() {
        let mut old = serde_json::to_value(incident(Vec::new())).unwrap();
        old.as_object_mut().unwrap().remove("kills");
        let mut old: Incident = serde_json::from_value(old).unwrap();
        assert_eq!(weighed(&old), None);
        old.host = host(4_000_000, 0);
        let (speaks, text) = weighed(&old).unwrap();
        assert_eq!(speaks, Speaks::Against);
        assert!(
            text.starts_with("When most was pinned, TCP held 4.0 MB of"),
            "{text}"
        );
        assert!(
            text.contains("unless a control group with a limit"),
            "{text}"
        );
        // Nobody had looked at the host by then.
        old.kills = vec![kill(KillScope::Host, None)];
        assert_eq!(weighed(&old).unwrap().1, text);
    }
}
