//! What to do now.

use super::model::{PeerPart, Report, ReportSetting, ReportStep, Time};
use super::orphans;
use super::peers::as_of;
use super::recommended::best;
use super::recording::Recording;
use super::shortage;
use super::summary::{effect, price};
use super::words::{listed, moment};
use detector_api::address::network_of;
use detector_api::snapshot::{Advice, PeerDetail, Verdict};
use detector_api::text::{self, Circumstances, Servers, Step};
use detector_recorder::Card;
use std::collections::BTreeSet;

/// Peers whose advice is told.
const ADVISED: usize = 5;
/// Peers named in commands.
const NAMED: usize = 5;

/// The steps, the most urgent first.
pub(super) fn steps(report: &Report, recordings: &[Recording]) -> Vec<ReportStep> {
    let mut steps = Vec::new();
    steps.extend(keep_out(report, recordings));
    steps.extend(shortage::steps(report));
    steps.extend(orphans::steps(report));
    steps.extend(settings(report, recordings));
    steps.extend(tell_operators(report));
    if report
        .hosts
        .iter()
        .any(|host| host.gaps.iter().any(|gap| gap.reason == "disk-full"))
    {
        steps.push(ReportStep {
            what: "Make room on the disk of the recorder: without it the next night has gaps."
                .to_owned(),
            settings: Vec::new(),
        });
    }
    if steps.is_empty() {
        steps.push(ReportStep {
            what: "Nothing: no peer held enough to act on.".to_owned(),
            settings: Vec::new(),
        });
    }
    steps
}

/// Whoever is to be named in a command: a recorder may be of another party, and a line is copied into a shell.
fn is_attack(peer: &&PeerPart) -> bool {
    let accused = matches!(
        peer.verdict,
        Some(Verdict::SlowReadAttack | Verdict::ZeroWindowAttack)
    );
    accused && !peer.trusted && network_of(&peer.peer).is_some()
}

fn goes_on(report: &Report) -> bool {
    report.incidents.iter().any(|each| each.incident.open)
}

/// Close what is held now, and keep those away who do it on purpose.
fn keep_out(report: &Report, recordings: &[Recording]) -> Option<ReportStep> {
    let attackers = report.peers.iter().filter(is_attack).take(NAMED);
    let (alone, others): (Vec<_>, Vec<_>) = attackers.partition(|peer| is_alone(recordings, peer));
    let names = |peers: Vec<&PeerPart>| peers.iter().map(|peer| peer.peer.clone()).collect();
    let (alone, others): (Vec<String>, Vec<String>) = (names(alone), names(others));
    if alone.is_empty() && others.is_empty() {
        return None;
    }
    let goes_on = goes_on(report);
    let closed: Vec<_> = if goes_on {
        alone.iter().chain(&others).collect()
    } else {
        others.iter().collect()
    };
    let lines_of = |lines: Vec<String>, note: &str| {
        (!lines.is_empty()).then(|| ReportSetting {
            note: note.to_owned(),
            lines,
        })
    };
    let resets = closed.iter().map(|name| format!("detector reset {name}"));
    let blocks = alone
        .iter()
        .map(|name| format!("detector block {name} --for 1h"));
    let settings = [
        lines_of(
            resets.collect(),
            "Closes their stalled sockets and frees what those hold",
        ),
        lines_of(
            blocks.collect(),
            "Drops what they send, for an hour; look at them again before you do it for longer",
        ),
    ];
    let what = match (goes_on, alone.is_empty()) {
        (true, false) => {
            "It goes on: close what they hold, and keep out those that hold on purpose."
        }
        (true, true) => "It goes on: close what they hold.",
        (false, false) => {
            "Should they come back, keep out those that held on purpose; today nothing needs to be \
             blocked."
        }
        (false, true) => {
            "Should they come back, close what they hold; today nothing needs to be closed."
        }
    };
    let spared = match others.as_slice() {
        [] => String::new(),
        [only] => format!(
            " Do not block {only}: nothing on record rules out that others use that address, too."
        ),
        more => format!(
            " Do not block {}: nothing on record rules out that others use these addresses, too.",
            listed(more)
        ),
    };
    Some(ReportStep {
        what: what.to_owned() + &spared,
        settings: settings.into_iter().flatten().collect(),
    })
}

/// Whether nobody else was known to use its address, by what each agent that accused it advised last.
fn is_alone(recordings: &[Recording], peer: &PeerPart) -> bool {
    let cards = fitting(recordings, peer);
    let is_so = |card: &Card| Circumstances::of(&card.detail.assessment).is_alone;
    !cards.is_empty() && cards.iter().all(|(card, _)| is_so(card))
}

/// Cards of the peer as it is taken, and of when they are if that is no time of the span.
fn fitting<'a>(recordings: &'a [Recording], peer: &PeerPart) -> Vec<(&'a Card, Option<Time>)> {
    let cards = recordings.iter().flat_map(|recording| {
        let cards = recording.cards.iter();
        cards.map(move |card| (card, as_of(recording, card)))
    });
    let fitting = cards.filter(|(card, _)| {
        card.peer().peer == peer.peer && card.detail.assessment.verdict == peer.verdict
    });
    fitting.collect()
}

/// Advice of the peers that mattered, each piece once, with its price where the record tells it.
fn settings(report: &Report, recordings: &[Recording]) -> Vec<ReportStep> {
    let mut told: Vec<String> = Vec::new();
    let mut steps = Vec::new();
    let goes_on = goes_on(report);
    for peer in report.peers.iter().take(ADVISED) {
        let fitting = fitting(recordings, peer);
        // The first of the span, or else the first.
        let Some((card, as_of)) = fitting.iter().min_by_key(|(_, as_of)| as_of.is_some()) else {
            continue;
        };
        let around = circumstances(fitting.iter().map(|(card, _)| &card.detail));
        for advice in &card.detail.assessment.advice {
            let is_told = told.iter().any(|code| code == advice.code());
            let is_void = match advice {
                Advice::Nothing {} => true,
                // Nothing is held any more, or the first step closes it.
                Advice::ResetStalled { .. } => !goes_on || is_attack(&peer),
                _ => false,
            };
            if is_told || is_void {
                continue;
            }
            told.push(advice.code().to_owned());
            let mut step = of_text(text::advice(advice, &around));
            // What it says of the peer is of one of several.
            let (name, what) = (&peer.peer, in_a_sentence(&step.what));
            step.what = match as_of {
                Some(as_of) => format!("As of {}, because of {name}: {what}", moment(*as_of)),
                None => format!("Because of {name}: {what}"),
            };
            if matches!(
                advice,
                Advice::BoundWaiting { .. } | Advice::LimitConnections { .. }
            ) {
                step.what += " What each value would have done, and cost, is under \"What would \
                              have helped\".";
            }
            steps.push(step);
        }
    }
    if let Some((setting, remedy)) = best(&report.remedies) {
        steps.insert(
            0,
            ReportStep {
                what: format!(
                    "Choose by what was recorded: {setting} would have {}, and would have cost {}. \
                     The lines for your server are below.",
                    effect(remedy, &report.remedies),
                    price(remedy)
                ),
                settings: Vec::new(),
            },
        );
    }
    steps
}

/// A sentence that others go before.
fn in_a_sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_lowercase);
    first.chain(rest.clone()).collect()
}

fn of_text(step: Step) -> ReportStep {
    let settings = step.settings.into_iter().map(|setting| ReportSetting {
        note: setting.note,
        lines: setting.lines,
    });
    ReportStep {
        what: step.what,
        settings: settings.collect(),
    }
}

/// What recorders know of a peer, each on its host: settings of the kernel that was recorded are not those of
/// the one that reads.
fn circumstances<'a>(details: impl Iterator<Item = &'a PeerDetail> + Clone) -> Circumstances {
    let processes = details.clone().flat_map(|detail| {
        let of_connections = detail.connections.iter().flat_map(|each| &each.processes);
        detail.peer.processes.iter().chain(of_connections)
    });
    let ports: BTreeSet<u16> = details
        .clone()
        .flat_map(|detail| detail.peer.services.iter().copied())
        .collect();
    // They are of one peer, and judged alike.
    let last = details.last();
    let of_peer = last.map(|detail| Circumstances::of(&detail.assessment));
    let address = last.map(|detail| detail.peer.peer.as_str());
    Circumstances {
        servers: Servers::of(processes.map(|process| process.comm.as_str())),
        ports: ports.into_iter().collect(),
        address: address.and_then(|address| address.parse().ok()),
        is_ipv6: address.is_some_and(|address| address.contains(':')),
        ..of_peer.unwrap_or_default()
    }
}

fn tell_operators(report: &Report) -> Option<ReportStep> {
    let attackers = report.peers.iter().filter(is_attack).take(NAMED);
    let lines: Vec<_> = attackers
        .map(|peer| format!("detector report --abuse {}", peer.peer))
        .collect();
    if lines.is_empty() {
        return None;
    }
    Some(ReportStep {
        what: "Tell the operators of their networks: many do not know what their hosts do."
            .to_owned(),
        settings: vec![ReportSetting {
            note: "Writes what they need; name the recorders as for this report".to_owned(),
            lines,
        }],
    })
}
