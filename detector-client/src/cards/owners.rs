//! Whose connections they are.

use super::page::Block;
use super::subject::Subject;
use detector_api::snapshot::{HeldWorkers, Process, UnitShare};
use detector_api::text::{counted, unit_share};
use detector_api::units::{bytes, seconds};

/// Processes shown of one program.
const PROCESSES: usize = 8;

/// The processes, and how many tasks of theirs wait.
pub(super) fn owners(subject: &Subject) -> Vec<Block> {
    let detail = &subject.page.detail;
    let mut processes: Vec<&Process> = detail.peer.processes.iter().collect();
    // Owners of what is not stalled any more, and of orphans.
    for process in detail.connections.iter().flat_map(|each| &each.processes) {
        if !processes.iter().any(|known| known.pid == process.pid) {
            processes.push(process);
        }
    }
    if processes.is_empty()
        && detail
            .connections
            .iter()
            .any(|each| each.owner_out_of_sight)
    {
        let text = "Not in the agent's PID namespace: another container or node on this kernel has \
                    its sockets. An agent there, or one with the host's PID namespace, can name them.";
        return vec![Block::Text(text.to_owned())];
    }
    if processes.is_empty() {
        let text = "Not known: no process held its sockets long enough to be found, or the agent \
                    may not look.";
        return vec![Block::Text(text.to_owned())];
    }
    let mut blocks = Vec::new();
    if detail.connections.is_empty() {
        blocks.push(Block::Text(
            "Its connections are closed; they belonged to:".to_owned(),
        ));
    }
    let owners = alike(&processes);
    blocks.extend(owners.iter().map(|alike| Block::Text(owner(alike))));
    let services = subject.held_workers().into_iter();
    blocks.extend(services.map(|service| Block::Text(waiting(service, subject))));
    blocks.extend(detail.unit_shares.iter().map(|share| limit(subject, share)));
    blocks
}

/// What is known of the work of a service that waits.
fn waiting(service: &HeldWorkers, subject: &Subject) -> String {
    let name = &service.service;
    let tasks = counted(service.total, "task", "tasks");
    let stalled = counted(service.stalled_connections, "connection", "connections");
    if let Some(held) = service.held {
        return format!(
            "{name}: {held} of {tasks} wait in a write to peers that do not read; {stalled} stalled."
        );
    }
    let connections = &subject.page.detail.connections;
    let stalled_for = connections.iter().map(|each| each.stalled_seconds);
    let longest = stalled_for.fold(0.0, f64::max);
    format!(
        "{name}: {stalled} stalled, of this peer the longest for {}. None of its {tasks} is seen to \
         wait in a write: an event loop or goroutines may serve many connections each, and what of \
         their work waits does not show.",
        seconds(longest)
    )
}

/// How much of what a unit or container may have of memory the peer holds, and all peers together.
fn limit(subject: &Subject, share: &UnitShare) -> Block {
    let UnitShare {
        unit,
        pinned_bytes,
        limit_bytes,
    } = share;
    let mut text = format!(
        "Its stalled connections pin {}.",
        unit_share(*pinned_bytes, *limit_bytes, unit)
    );
    let mut services = subject.status.held_workers.iter();
    let memory = services.find_map(|each| each.memory.filter(|_| each.service == *unit));
    if let Some(memory) = memory {
        text += &format!(
            " Those of all peers pin {}; all its sockets take {}, and it uses {} in all.",
            bytes(memory.pinned_bytes),
            bytes(memory.socket_bytes),
            bytes(memory.used_bytes),
        );
    }
    Block::Text(text)
}

/// Processes of one program in one unit, in the order of the first of each.
fn alike<'a>(processes: &[&'a Process]) -> Vec<Vec<&'a Process>> {
    let mut groups: Vec<Vec<&Process>> = Vec::new();
    for process in processes {
        let is_alike = |group: &&mut Vec<&Process>| {
            group.first().is_some_and(|first| {
                first.comm == process.comm
                    && first.executable == process.executable
                    && first.unit == process.unit
            })
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.push(process),
            None => groups.push(vec![process]),
        }
    }
    groups
}

/// `nginx, process 812, /usr/sbin/nginx, nginx.service`
fn owner(alike: &[&Process]) -> String {
    let Some(first) = alike.first() else {
        return String::new();
    };
    let shown = alike.iter().take(PROCESSES).map(|each| match each.thread {
        Some(thread) if thread != each.pid => format!("{} (thread {thread})", each.pid),
        _ => each.pid.to_string(),
    });
    let shown: Vec<String> = shown.collect();
    let noun = match alike.len() {
        1 => "process",
        _ => "processes",
    };
    let mut text = format!("{}, {noun} {}", first.comm, shown.join(", "));
    let rest = alike.len().saturating_sub(PROCESSES);
    if rest > 0 {
        text += &format!(" and {rest} more");
    }
    let asleep = alike.iter().filter(|each| each.thread.is_some()).count();
    if asleep > 0 {
        text += &format!(" ({asleep} asleep in a write to it)");
    }
    for part in [&first.executable, &first.unit].into_iter().flatten() {
        text += &format!(", {part}");
    }
    text
}
