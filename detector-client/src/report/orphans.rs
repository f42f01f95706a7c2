//! What to do where there was no room for more orphans.

use super::model::{Report, ReportSetting, ReportStep};
use detector_api::snapshot::{Incident, IncidentKind};
use detector_api::text::counted;

/// Retries after which an orphan is given up that does not answer.
const RETRIES: u64 = 3;

/// A step for each host on which the limit was reached.
pub(super) fn steps(report: &Report) -> impl Iterator<Item = ReportStep> {
    report.hosts.iter().filter_map(|host| {
        let incidents = report.incidents.iter();
        let at_limit = incidents.filter(|each| {
            each.host == host.host && each.incident.kinds.contains(&IncidentKind::OrphanLimit)
        });
        let worst = at_limit.max_by_key(|each| each.incident.orphans.map(|most| most.orphans))?;
        Some(step(&host.host, &worst.incident))
    })
}

fn step(host: &str, incident: &Incident) -> ReportStep {
    let orphans = incident.orphans.unwrap_or_default();
    let had = match orphans.orphans.zip(orphans.limit) {
        Some((count, limit)) => format!(
            "{host} had {} of the {limit} that it allows",
            counted(count, "orphan", "orphans")
        ),
        None => format!("{host} had no room for more orphans"),
    };
    let what = if orphans.stalled > 0 {
        format!(
            "Give orphans up sooner: {had}, {} of them held up by peers. Beyond the limit the kernel resets \
             what programs close, with data that was not sent yet.",
            orphans.stalled
        )
    } else {
        format!(
            "See which program closes so many connections before their data is sent: {had}, none of them \
             known to be held up by a peer."
        )
    };
    let mut settings = vec![ReportSetting {
        note: "Gives those up sooner whose peer does not answer".to_owned(),
        lines: vec![format!("sysctl -w net.ipv4.tcp_orphan_retries={RETRIES}")],
    }];
    settings.extend(orphans.limit.map(|limit| {
        ReportSetting {
        note: "Doubles the limit; an orphan takes up to 64 KB of memory that cannot be swapped out"
            .to_owned(),
        lines: vec![format!("sysctl -w net.ipv4.tcp_max_orphans={}", limit.saturating_mul(2))],
    }
    }));
    ReportStep { what, settings }
}

#[cfg(test)]
mod tests {
    use super::step;
    use detector_api::fixtures;
    use detector_api::snapshot::OrphansAtLimit;

    #[test]
    fn what_is_to_be_done_depends_on_who_holds_them() {
        let mut incident = fixtures::incident("20261229T210100.000Z", "2026-12-29T21:01:00.000Z");
        let nobody = step("web1", &incident);
        assert!(
            nobody.what.starts_with("See which program closes"),
            "{nobody:?}"
        );
        assert_eq!(nobody.settings.len(), 1);
        incident.orphans = Some(OrphansAtLimit {
            orphans: Some(4_096),
            limit: Some(4_096),
            stalled: 900,
        });
        let peers = step("web1", &incident);
        assert!(
            peers
                .what
                .contains("4096 orphans of the 4096 that it allows, 900 of them held up by peers"),
            "{peers:?}"
        );
        assert_eq!(
            peers.settings[1].lines,
            ["sysctl -w net.ipv4.tcp_max_orphans=8192"]
        );
    }
}
