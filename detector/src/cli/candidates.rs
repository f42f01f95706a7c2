//! What may come next on a command line that is being typed: names of the code, and what the running
//! agent knows, or the recorder that the line names.
//!
//! The shell runs this program at each press of Tab: it waits for the agent only a moment, and an
//! agent that is not there has no peers to offer. Shells put what is chosen into the line as it is, and a semicolon
//! begins another command there: of names that strangers chose only those are offered that no shell reads as more.

use clap_complete::engine::CompletionCandidate;
use detector_api::address::network_of;
use detector_api::defaults::CONTROL_SOCKET;
use detector_api::snapshot::{FlagKind, Incident, IncidentKind, Peer};
use detector_api::text;
use detector_api::time::rfc3339_unix_ns;
use detector_client::columns::{Kind, Row};
use detector_client::commands::{recorded_incidents, recorded_peers};
use detector_client::socket;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

/// Whoever presses Tab does not wait longer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Peers to choose from, the most costly.
const PEERS: usize = 200;
const SOCKET_FLAG: &str = "--control-socket";
const STATE_DIR_FLAG: &str = "--state-dir";

/// Incidents of the agent or the recorder, and `last`.
pub(super) fn incidents(current: &OsStr) -> Vec<CompletionCandidate> {
    let last = ("last".to_owned(), "the newest".to_owned());
    let incidents = match named(STATE_DIR_FLAG) {
        Some(path) => recorded_incidents(&path),
        None => ask::<Incident>("/v1/incidents?limit=0"),
    };
    let incidents = offered_incidents(incidents).into_iter().rev();
    let incidents = incidents.map(|incident| {
        let about = text::incident_over(&incident);
        (incident.id, about)
    });
    starting_with(current, std::iter::once(last).chain(incidents))
}

/// Peers of the agent or the recorder.
pub(super) fn peers(current: &OsStr) -> Vec<CompletionCandidate> {
    let peers = ask_peers().into_iter().map(|peer| {
        let verdict = peer.verdict.map_or("-", |verdict| verdict.label());
        let about = format!(
            "{verdict}, {}",
            detector_api::units::bytes(peer.pinned_bytes)
        );
        (peer.peer, about)
    });
    starting_with(current, peers)
}

/// Sort keys: columns of such rows, and `cost`.
pub(super) fn sort_keys<R: Row>(current: &OsStr) -> Vec<CompletionCandidate> {
    let cost = ("cost".to_owned(), "as the agent ranks".to_owned());
    starting_with(current, std::iter::once(cost).chain(keys::<R>()))
}

/// The last of the columns to show, separated by commas.
pub(super) fn columns<R: Row>(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let before = typed.rfind(',').map_or("", |end| &typed[..=end]);
    let columns = keys::<R>().map(|(key, about)| (format!("{before}{key}"), about));
    starting_with(current, columns)
}

/// Kinds of flags.
pub(super) fn flag_kinds(current: &OsStr) -> Vec<CompletionCandidate> {
    let about = |kind: FlagKind| (kind.label().to_owned(), kind.facts().summary.to_owned());
    let kinds = FlagKind::ALL.map(about);
    starting_with(current, kinds.into_iter())
}

fn keys<R: Row>() -> impl Iterator<Item = (String, String)> {
    let columns = R::COLUMNS.iter();
    columns.map(|column| (column.key.to_owned(), column.help.to_owned()))
}

/// The last term of a filter over such rows: its key, or a value where the values are known.
pub(super) fn filter<R: Row>(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let (before, term) = match typed.rfind(' ') {
        Some(end) => typed.split_at(end + 1),
        None => ("", &*typed),
    };
    let terms: Vec<(String, String)> = match term.split_once('=') {
        None => keys::<R>().collect(),
        Some((key, _)) => values::<R>(key)
            .into_iter()
            .map(|value| (format!("{key}={value}"), String::new()))
            .collect(),
    };
    let terms = terms
        .into_iter()
        .map(|(term, about)| (format!("{before}{term}"), about));
    starting_with(current, terms)
}

/// The known values of a key.
fn values<R: Row>(key: &str) -> BTreeSet<String> {
    let Some(column) = R::column(key.trim_end_matches('!')) else {
        return BTreeSet::new();
    };
    match (column.kind, column.key) {
        (Kind::Name(names) | Kind::Level(names), _) => {
            names.iter().map(|name| (*name).to_owned()).collect()
        }
        (Kind::YesNo, _) => ["yes", "no"].map(str::to_owned).into(),
        (Kind::Address, "local") => BTreeSet::new(),
        (Kind::Address, _) => ask_peers().into_iter().map(|peer| peer.peer).collect(),
        (Kind::Text, "kinds") => IncidentKind::LABELS.map(str::to_owned).into(),
        (Kind::Text, "unit") => owners(&ask_peers(), |process| process.unit.clone()),
        (Kind::Text, "process") => owners(&ask_peers(), |process| Some(process.comm.clone())),
        _ => BTreeSet::new(),
    }
}

fn owners(
    peers: &[Peer],
    name: impl Fn(&detector_api::snapshot::Process) -> Option<String>,
) -> BTreeSet<String> {
    let processes = peers.iter().flat_map(|peer| &peer.processes);
    processes
        .filter_map(name)
        .filter(|name| is_plain(name))
        .collect()
}

/// Whether no shell reads more in it than a word, and no filter than one term.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@/".contains(&byte);
    name.bytes().all(is_plain)
}

/// Those with a name that is an address or a network.
fn offered_peers(mut peers: Vec<Peer>) -> Vec<Peer> {
    peers.retain(|peer| network_of(&peer.peer).is_some() && is_plain(&peer.peer));
    peers
}

/// Those with an id that is a time.
fn offered_incidents(mut incidents: Vec<Incident>) -> Vec<Incident> {
    incidents.retain(|incident| rfc3339_unix_ns(&incident.id).is_some() && is_plain(&incident.id));
    incidents
}

fn starting_with(
    current: &OsStr,
    candidates: impl Iterator<Item = (String, String)>,
) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    candidates
        .filter(|(value, _)| value.starts_with(&*current))
        .map(|(value, about)| {
            let about = Some(about).filter(|about| !about.is_empty());
            CompletionCandidate::new(value).help(about.map(Into::into))
        })
        .collect()
}

/// The most costly peers of the agent, or those of the recorder.
fn ask_peers() -> Vec<Peer> {
    offered_peers(match named(STATE_DIR_FLAG) {
        Some(path) => recorded_peers(&path),
        None => ask(&format!("/v1/peers?limit={PEERS}")),
    })
}

/// A list of the agent on the socket that the command line names; empty if it does not answer at
/// once.
fn ask<T: DeserializeOwned + Send + 'static>(target: &str) -> Vec<T> {
    let socket = named(SOCKET_FLAG).unwrap_or_else(|| PathBuf::from(CONTROL_SOCKET));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    let answer = runtime.block_on(async {
        let list = socket::list::<T>(&socket, target);
        tokio::time::timeout(PATIENCE, list).await
    });
    match answer {
        Ok(Ok(list)) => list.rows,
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// The path behind this flag among the words that the shell hands over.
fn named(flag: &str) -> Option<PathBuf> {
    let mut words = std::env::args_os();
    while let Some(word) = words.next() {
        if word == flag {
            return words.next().map(PathBuf::from);
        }
        let word = word.to_string_lossy();
        if let Some(path) = word
            .strip_prefix(flag)
            .and_then(|rest| rest.strip_prefix('='))
        {
            return Some(PathBuf::from(path));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{
        columns, filter, flag_kinds, offered_incidents, offered_peers, owners, sort_keys, values,
    };
    use detector_api::fixtures;
    use detector_api::row::PeerRow;
    use detector_api::snapshot::{Connection, Event};
    use std::ffi::OsStr;

    fn told(candidates: Vec<clap_complete::engine::CompletionCandidate>) -> Vec<String> {
        let values = candidates.iter().map(|each| each.get_value());
        values
            .map(|value| value.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn keys_and_names_complete() {
        let shown = |candidates| told(candidates).join(" | ");
        for (found, expected) in [
            (
                shown(sort_keys::<PeerRow>(OsStr::new("pin"))),
                "pinned | pinned-seconds",
            ),
            (
                shown(filter::<PeerRow>(OsStr::new("pinned>10M verdict=slow-r"))),
                "pinned>10M verdict=slow-read-attack",
            ),
            (
                shown(filter::<PeerRow>(OsStr::new("pinned>10M long"))),
                "pinned>10M longest",
            ),
            (
                shown(filter::<Connection>(OsStr::new("stall=zero"))),
                "stall=zero_window",
            ),
            (
                shown(filter::<Event>(OsStr::new("severity=w"))),
                "severity=warning",
            ),
            (
                shown(columns::<Connection>(OsStr::new("remote,stal"))),
                "remote,stall | remote,stalled-for",
            ),
            (shown(flag_kinds(OsStr::new("dri"))), "dribble"),
        ] {
            assert_eq!(found, expected);
        }
        assert_eq!(values::<PeerRow>("severity").len(), 3);
        assert!(values::<PeerRow>("nonsense").is_empty());
    }

    /// A prepared recorder has any names, and users call programs and units of theirs what they like.
    #[test]
    fn no_name_that_a_shell_reads_as_more_than_a_word_is_offered() {
        const EVIL: [&str; 9] = [
            ";id>/tmp/x;",
            "$(sh</tmp/x)",
            "`id`",
            "|sh",
            "&&id",
            "\nid",
            "'\"\\",
            "~/*?[a]{b,c}",
            "!!#^ id",
        ];
        let evil = |before: &str| EVIL.map(|name| format!("{before}{name}"));
        let honest = ["198.51.100.7", "2001:db8::/64", "64:ff9b::c633:6407"];
        let names = evil("198.51.100.7").into_iter().chain(evil(""));
        let peers = names.chain(honest.map(str::to_owned));
        let peers = offered_peers(peers.map(|name| fixtures::peer(&name, 1).peer).collect());
        let offered: Vec<_> = peers.iter().map(|peer| peer.peer.as_str()).collect();
        assert_eq!(offered, honest);

        let time = "2026-12-29T21:04:05.123Z";
        let ids = evil(time).into_iter().chain(evil("")).chain([
            "2026-12-29 21:04:05Z".to_owned(),
            "a".to_owned(),
            time.to_owned(),
        ]);
        let incidents = offered_incidents(ids.map(|id| fixtures::incident(&id, time)).collect());
        let offered: Vec<_> = incidents.iter().map(|incident| &*incident.id).collect();
        assert_eq!(offered, [time]);

        let plain = [
            "httpd",
            "php-fpm8.2",
            "user@1000.service",
            "pod:shop/web-7d4f9/nginx",
        ];
        let mut peer = fixtures::peer("198.51.100.7", 1).peer;
        let names = evil("x").into_iter().chain(evil(""));
        peer.processes = names
            .chain(plain.map(str::to_owned))
            .map(|name| fixtures::process(1, &name, Some(&name)))
            .collect();
        let peers = [peer];
        let plain = plain.map(str::to_owned).into();
        assert_eq!(owners(&peers, |process| process.unit.clone()), plain);
        assert_eq!(owners(&peers, |process| Some(process.comm.clone())), plain);
    }
}
