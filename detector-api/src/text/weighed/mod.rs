//! The answers that people reach for after an incident, each weighed with its numbers.

mod kill;
mod orphans;

use super::tcp_memory::who_does_not_read;
use super::{counted, listed};
use crate::labelled::labelled;
use crate::snapshot::{Incident, IncidentCounts, IncidentKind, IncidentPeer, Verdict};
use crate::tcp_memory::MemoryHolder;
use crate::units;
use schemars::JsonSchema;
use serde::Serialize;

labelled! {
    /// What people take an incident for.
    Answer {
        /// Peers that hold connections on purpose.
        Attack = "attack",
        /// Servers that we are the client of, and that hold our requests on purpose.
        Tarpit = "tarpit",
        /// A network card, a cable, a switch, or the way to the peers.
        Path = "path",
        /// A TCP stack, or a box on the way, that takes back window.
        Stack = "stack",
        /// A program of this host that does not read what it received.
        OwnProgram = "own-program",
        /// The memory that a process was killed for want of was TCP's doing; of OOM kills alone.
        TcpMemory = "tcp-memory",
        /// The orphans for which there was no more room were held up by peers; of incidents of that alone.
        Orphans = "orphans",
    }
}

labelled! {
    /// Which way the numbers point.
    Speaks {
        /// They speak for it.
        For = "for",
        /// They speak against it.
        Against = "against",
        /// They decide nothing.
        Open = "open",
    }
}

/// An answer, weighed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Weighed {
    /// Which answer.
    pub answer: Answer,
    /// What becomes of it.
    pub speaks: Speaks,
    /// The numbers, as a sentence.
    pub text: String,
}

impl Weighed {
    /// `A tarpit? Unlikely. No server that we connected to holds our requests.`
    #[must_use]
    pub fn line(&self) -> String {
        let so = match self.speaks {
            Speaks::For => "Likely",
            Speaks::Against => "Unlikely",
            Speaks::Open => "Undecided",
        };
        format!("{} {so}. {}", self.question(), self.text)
    }

    const fn question(&self) -> &'static str {
        match self.answer {
            Answer::Attack => "An attack?",
            Answer::Tarpit => "A tarpit?",
            Answer::Path => "A NIC or the path?",
            Answer::Stack => "A TCP stack?",
            Answer::OwnProgram => "Our own program?",
            Answer::TcpMemory => "TCP's memory?",
            Answer::Orphans => "Peers that hold orphans?",
        }
    }
}

/// Errors of interfaces from which they matter, as for a verdict about the path.
const INTERFACE_ERRORS_MATTER: u64 = 10;

/// Weighs each answer by what is known of the incident.
#[must_use]
pub fn weighed(incident: &Incident) -> Vec<Weighed> {
    let told = |answer, (speaks, text)| Weighed {
        answer,
        speaks,
        text,
    };
    let mut all = vec![
        told(Answer::Attack, attack(incident)),
        told(Answer::Tarpit, tarpit(incident)),
        told(Answer::Path, path(incident)),
        told(Answer::Stack, stack(incident)),
        told(Answer::OwnProgram, own_program(incident)),
    ];
    let memory = kill::weighed(incident);
    all.extend(memory.map(|memory| told(Answer::TcpMemory, memory)));
    let orphans = orphans::weighed(incident);
    all.extend(orphans.map(|orphans| told(Answer::Orphans, orphans)));
    all
}

/// The peers that were taken to be one of these.
fn taken<'a>(incident: &'a Incident, verdicts: &[Verdict]) -> Vec<&'a IncidentPeer> {
    let peers = incident.peers.iter();
    peers
        .filter(|peer| {
            peer.verdict
                .is_some_and(|verdict| verdicts.contains(&verdict))
        })
        .collect()
}

/// `2 of 4 peers (203.0.113.9 and 2001:db8:bad::/64): 125 stalled connections and 4.2 MB, each at its worst`
fn held_by(incident: &Incident, peers: &[&IncidentPeer]) -> String {
    const NAMED: usize = 3;
    let mut names: Vec<String> = peers
        .iter()
        .take(NAMED)
        .map(|peer| peer.peer.clone())
        .collect();
    if peers.len() > NAMED {
        names.push(format!("{} more", peers.len() - NAMED));
    }
    let connections = peers.iter().map(|peer| peer.peak_stalled_connections);
    let bytes = peers.iter().map(|peer| peer.peak_pinned_bytes);
    format!(
        "{} of {} ({}), with {} and {}, each at its worst",
        peers.len(),
        counted(incident.peers_total, "peer", "peers"),
        listed(&names),
        counted(
            connections.fold(0, u64::saturating_add),
            "stalled connection",
            "stalled connections"
        ),
        units::bytes(bytes.fold(0, u64::saturating_add))
    )
}

fn attack(incident: &Incident) -> (Speaks, String) {
    let attackers = [Verdict::SlowReadAttack, Verdict::ZeroWindowAttack];
    let found = taken(incident, &attackers);
    if !found.is_empty() {
        let held = held_by(incident, &found);
        return (Speaks::For, format!("It is taken for one: {held}."));
    }
    match (incident.peers_total, unjudged(incident)) {
        (0, _) => (Speaks::Against, "No peer took part.".to_owned()),
        (_, 0) => (
            Speaks::Against,
            format!(
                "None of {} is taken to do it on purpose.",
                counted(incident.peers_total, "peer", "peers")
            ),
        ),
        (total, unjudged) => (
            Speaks::Open,
            format!(
                "{unjudged} of {} were not judged, for want of evidence or of room.",
                counted(total, "peer", "peers")
            ),
        ),
    }
}

/// Peers of which it is not known what they are taken for: not judged, or too many to be named.
fn unjudged(incident: &Incident) -> u64 {
    let judged = incident.peers.iter().filter(|peer| peer.verdict.is_some());
    incident.peers_total.saturating_sub(judged.count() as u64)
}

fn tarpit(incident: &Incident) -> (Speaks, String) {
    let found = taken(incident, &[Verdict::Tarpit]);
    if found.is_empty() {
        let unjudged = unjudged(incident);
        if unjudged == 0 {
            let text = "No server that we connected to holds our requests.";
            return (Speaks::Against, text.to_owned());
        }
        let text = format!(
            "No server that was judged holds our requests; {} not judged.",
            counted(unjudged, "peer was", "peers were")
        );
        return (Speaks::Open, text);
    }
    let held = held_by(incident, &found);
    (Speaks::For, format!("Our own requests are held: {held}."))
}

fn path(incident: &Incident) -> (Speaks, String) {
    let found = taken(incident, &[Verdict::PathLoss, Verdict::Vanished]);
    let mut sentences = Vec::new();
    if !found.is_empty() {
        let held = held_by(incident, &found);
        sentences.push(format!("Lost on the way, or gone: {held}."));
    }
    let has_errors = |counts: IncidentCounts| counts.interfaces.errors() >= INTERFACE_ERRORS_MATTER;
    sentences.extend(incident.counts.map(counted_on_the_way));
    let speaks = if !found.is_empty() || incident.counts.is_some_and(has_errors) {
        Speaks::For
    } else if incident.counts.is_some() {
        Speaks::Against
    } else {
        sentences.push("No peer's way is taken to lose data; errors were not counted.".to_owned());
        Speaks::Open
    };
    (speaks, sentences.join(" "))
}

fn counted_on_the_way(counts: IncidentCounts) -> String {
    let interfaces = &counts.interfaces;
    let sent = &counts.retransmits;
    format!(
        "Interfaces counted {} and {}; {} sent again for loss, {} by the loss-probe timer, {} into closed \
         windows, where nothing was lost; {} of them all were needless.",
        counted(interfaces.errors(), "error", "errors"),
        counted(
            interfaces.rx_dropped.saturating_add(interfaces.tx_dropped),
            "drop",
            "drops"
        ),
        counted(sent.loss, "segment was", "segments were"),
        sent.tail_probe,
        sent.window_probe,
        counts.retransmits_needless
    )
}

fn stack(incident: &Incident) -> (Speaks, String) {
    let found = taken(incident, &[Verdict::ShrinkingPeer]);
    let shrinks = incident.counts.map(|counts| counts.window_shrinks);
    let shrinks = shrinks.filter(|it| it.polite > 0 || it.below_flight > 0 || it.treason > 0);
    let count = shrinks.map(|it| {
        format!(
            "Window was taken back {}: {} that was not used, {} below what was in flight, {} closed over it.",
            counted(
                it.polite.saturating_add(it.below_flight).saturating_add(it.treason),
                "time",
                "times"
            ),
            it.polite,
            it.below_flight,
            it.treason
        )
    });
    let has_kind = incident.kinds.contains(&IncidentKind::ShrinkingPeers);
    match (found.is_empty(), count) {
        (false, count) => {
            let held = held_by(incident, &found);
            let count = count.map_or_else(String::new, |count| format!(" {count}"));
            (Speaks::For, format!("Taken for one: {held}.{count}"))
        }
        (true, Some(count)) => (Speaks::Open, count),
        (true, None) if has_kind || incident.counts.is_none() => (
            Speaks::Open,
            "How often window was taken back was not counted.".to_owned(),
        ),
        (true, None) => (
            Speaks::Against,
            "No window was taken back that had been offered.".to_owned(),
        ),
    }
}

fn own_program(incident: &Incident) -> (Speaks, String) {
    let Some(held) = &incident.tcp_memory_held else {
        return (
            Speaks::Open,
            "Nobody looked how much received data our own programs had not read.".to_owned(),
        );
    };
    let unread = format!(
        "Our own programs had not read {} of the {} that TCP held",
        units::bytes(held.held_bytes.receive),
        units::bytes(held.counted_bytes)
    );
    if !held.culprits().contains(&MemoryHolder::Receive) {
        return (Speaks::Against, unread + ".");
    }
    let who: Vec<_> = held.unread.iter().map(who_does_not_read).collect();
    (Speaks::For, format!("{unread}: {}.", who.join("; ")))
}

#[cfg(test)]
mod tests;
