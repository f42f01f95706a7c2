//! Whose doing it was that memory for TCP was short: of other computers, or of the host itself.

use super::model::{HostIncident, Report, ReportStep};
use super::words::listed;
use detector_api::snapshot::{Incident, IncidentKind};
use detector_api::tcp_memory::{MemoryHolder, TcpMemoryHeld};
use detector_api::text::{owner, tcp_memory_held};

/// Whether data that other computers do not take had a part in it that matters.
pub(super) fn is_of_others(incident: &Incident) -> bool {
    let culprits = incident.tcp_memory_held.as_ref();
    let culprits = culprits.map_or_else(Vec::new, TcpMemoryHeld::culprits);
    if culprits.is_empty() {
        return incident.peak_pinned_bytes > 0;
    }
    culprits.contains(&MemoryHolder::StalledSend)
}

/// Incidents in which memory for TCP was short for a cause other than that.
pub(super) fn of_hosts(report: &Report) -> impl Iterator<Item = &HostIncident> {
    let incidents = report.incidents.iter();
    incidents.filter(|each| !causes(&each.incident).is_empty())
}

/// What held memory besides, each a clause of its own.
pub(super) fn causes(incident: &Incident) -> Vec<String> {
    if !incident.kinds.contains(&IncidentKind::MemoryPressure) {
        return Vec::new();
    }
    let held = incident.tcp_memory_held.as_ref();
    let culprits = held.map_or_else(Vec::new, TcpMemoryHeld::culprits);
    let cause = |holder: MemoryHolder| match holder {
        MemoryHolder::StalledSend | MemoryHolder::Send => None,
        MemoryHolder::Receive => {
            let longest = held.and_then(|held| held.unread.first()?.process.as_ref());
            let who = longest.map(|process| format!(" ({})", owner(std::slice::from_ref(process))));
            let who = who.unwrap_or_default();
            Some(format!(
                "programs of the host itself had not read what they had received{who}"
            ))
        }
        MemoryHolder::Orphans => {
            Some("sockets that no program holds any more still kept data".to_owned())
        }
        MemoryHolder::Unlisted => {
            Some("the kernel counted memory that no socket in its lists holds".to_owned())
        }
    };
    let mut causes: Vec<_> = culprits.into_iter().filter_map(cause).collect();
    if causes.is_empty() && !is_of_others(incident) {
        causes.push("who held it was not seen".to_owned());
    }
    causes
}

/// The causes of all, each once.
pub(super) fn all_causes(report: &Report) -> String {
    let mut all: Vec<String> = Vec::new();
    for cause in of_hosts(report).flat_map(|each| causes(&each.incident)) {
        if !all.contains(&cause) {
            all.push(cause);
        }
    }
    listed(&all)
}

/// What to do about it on each host.
pub(super) fn steps(report: &Report) -> impl Iterator<Item = ReportStep> {
    report.hosts.iter().filter_map(|host| {
        let held = of_hosts(report).filter(|each| each.host == host.host);
        let held = held.filter_map(|each| each.incident.tcp_memory_held.as_ref());
        let held = held.max_by_key(|held| held.counted_bytes)?;
        let mut told = vec![
            format!("See to what held memory for TCP on {}.", host.host),
            tcp_memory_held(held),
        ];
        let actions = held.culprits().into_iter().filter_map(action);
        told.extend(actions.map(str::to_owned));
        Some(ReportStep {
            what: told.join(" "),
            settings: Vec::new(),
        })
    })
}

const fn action(holder: MemoryHolder) -> Option<&'static str> {
    match holder {
        MemoryHolder::StalledSend | MemoryHolder::Send => None,
        MemoryHolder::Receive => Some(
            "Find out why that program does not read; once it reads, or is restarted, the memory is \
             free.",
        ),
        MemoryHolder::Orphans => Some(
            "A lower net.ipv4.tcp_orphan_retries gives those sockets up sooner whose peer does not \
             answer.",
        ),
        MemoryHolder::Unlisted => {
            Some("Once the program that holds such sockets is restarted, their memory is free.")
        }
    }
}
