//! `detector explain`: the evidence card of one peer.

use super::place::{note_left_out, origin, recorder_of, state_dir_option};
use super::{AgentOrRecorder, converse};
use crate::cards::{HostFacts, KernelSettings, StatusFacts, Subject, peer_card};
use crate::clock;
use crate::output::{note, print};
use crate::peer_address::PeerAddress;
use crate::report;
use crate::socket::{self as agent, ClientError, percent_encoded};
use crate::sysctl;
use crate::terminal::Capabilities;
use detector_api::address::network_of;
use detector_api::failure::Failure;
use detector_api::host::TcpMemory;
use detector_api::page::PeerPage;
use detector_api::sanitize;
use detector_api::snapshot::Peer;
use detector_api::time::rfc3339;
use detector_recorder::{Card, EventsWanted, HostSecond, Reader, RecorderError, Span};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Peers looked through for one that is near.
const NEAR_LIMIT: usize = 10_000;
const NOT_FOUND: u16 = 404;
/// Events read of a recorded peer.
const EVENTS: usize = 1_000;
/// A card is written in a second of which the host is recorded, too.
const BESIDE_MS: i64 = 1_500;

/// What is printed.
type Tell<'a> = &'a mut dyn FnMut(&str) -> Result<(), Failure>;

/// Prints the card of a peer.
pub fn explain(place: AgentOrRecorder<'_>, peer: PeerAddress, json: bool) -> Result<(), Failure> {
    match place.recorder()? {
        Some(reader) => recorded(&reader, peer, json, &mut print),
        None => live(place.socket, peer, json, &mut print),
    }
}

/// The card of a running agent.
fn live(socket: &Path, peer: PeerAddress, json: bool, tell: Tell<'_>) -> Result<(), Failure> {
    let target = format!("/v1/peers/{}", percent_encoded(&peer.to_string()));
    if json {
        let page = converse(agent::object::<Value>(socket, &target))?;
        let page = page.map_err(|error| {
            if is_unknown(&error) {
                unknown(socket, peer, &Past::of(socket, peer))
            } else {
                error.into_failure(socket)
            }
        });
        return tell(&format!("{:#}\n", page?));
    }
    let page = match converse(agent::object::<PeerPage>(socket, &target))? {
        Err(error) if is_unknown(&error) => {
            return match Past::of(socket, peer) {
                Past::Known(reader) => {
                    let origin = origin(&reader)?;
                    note(&format!("the agent does not track {peer}; {origin}"));
                    recorded(&reader, peer, json, tell)
                }
                past => Err(unknown(socket, peer, &past)),
            };
        }
        page => page.map_err(|error| error.into_failure(socket))?,
    };
    // A card without these is a card all the same: the agent may be older than they are.
    let host = converse(agent::object::<HostFacts>(socket, "/v1/host"))?;
    let status = converse(agent::object::<StatusFacts>(socket, "/v1/status"))?;
    let subject = Subject {
        page,
        host: host.unwrap_or_default(),
        status: status.unwrap_or_default(),
        kernel: KernelSettings {
            tcp_wmem: sysctl::numbers("tcp_wmem"),
            tcp_orphan_retries: sysctl::number("tcp_orphan_retries"),
        },
        now_unix_ns: clock::unix_ns(),
        asked: peer.connection,
        recorded: None,
    };
    let terminal = Capabilities::of_stdout();
    tell(&peer_card(&subject, terminal))?;
    // The recorder of that agent knows what was held before this moment.
    let recorder = subject.status.recorder.as_ref();
    let Some(file) = recorder.and_then(|recorder| recorder.file.as_deref()) else {
        return Ok(());
    };
    match report::helped(Path::new(file), &subject.page.detail.peer.peer, terminal) {
        Ok(helped) => tell(&helped),
        Err(error) => {
            note(&format!("what would have helped is not told: {error}"));
            Ok(())
        }
    }
}

/// Prints the card that was written last.
fn recorded(reader: &Reader, peer: PeerAddress, json: bool, tell: Tell<'_>) -> Result<(), Failure> {
    let Some(card) = reader.card(&peer.to_string())? else {
        return Err(never_recorded(reader, peer)?);
    };
    let host = host_beside(reader, &card)?;
    let events = reader.events(&EventsWanted {
        span: Span::ALL,
        peer: Some(&card.peer().peer),
        kind: None,
        limit: EVENTS,
    })?;
    note_left_out(reader);
    let page = PeerPage {
        detail: card.detail,
        events,
    };
    if json {
        let page = serde_json::to_value(&page)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        return tell(&format!("{page:#}\n"));
    }
    let subject = Subject {
        page,
        host,
        status: StatusFacts {
            thresholds: card.thresholds,
            ..StatusFacts::default()
        },
        // This host may be another one, and has other settings by now.
        kernel: KernelSettings::default(),
        now_unix_ns: clock::unix_ns(),
        asked: peer.connection,
        recorded: Some(rfc3339(i128::from(card.at.unix_ms) * 1_000_000)),
    };
    let terminal = Capabilities::of_stdout();
    let peer = &subject.page.detail.peer.peer;
    let helped = report::helped(reader.file(), peer, terminal)?;
    tell(&(peer_card(&subject, terminal) + &helped))
}

/// The host when the card was written.
fn host_beside(reader: &Reader, card: &Card) -> Result<HostFacts, RecorderError> {
    let span = Span {
        from_ms: card.at.unix_ms.saturating_sub(BESIDE_MS),
        until_ms: card.at.unix_ms.saturating_add(BESIDE_MS),
    };
    let memory = |host: &HostSecond| {
        Some(TcpMemory {
            used_bytes: u64::try_from(host.tcp_memory_bytes?).ok()?,
            pressure_bytes: u64::try_from(host.tcp_memory_pressure_bytes?).ok()?,
            limit_bytes: u64::try_from(host.tcp_memory_limit_bytes?).ok()?,
        })
    };
    let seconds = reader.seconds(span, 1)?;
    Ok(HostFacts {
        tcp_memory: seconds.first().and_then(|(_, host, _)| memory(host)),
        ..HostFacts::default()
    })
}

/// The recorder does not know the peer: names the nearest that it knows.
fn never_recorded(reader: &Reader, wanted: PeerAddress) -> Result<Failure, RecorderError> {
    let failure = Failure::failed(format!(
        "cannot explain {wanted}: the recorder has no card of this peer"
    ));
    let cards = reader.cards(Span::ALL)?;
    let names = cards.iter().map(|card| card.peer().peer.as_str());
    Ok(failure.hint(match nearest(wanted.network, names) {
        Some(near) => format!(
            "the nearest that it knows is {near}; `detector peers --state-dir {}` lists all {}",
            sanitize::text(&reader.file().display().to_string()),
            cards.len()
        ),
        None if cards.is_empty() => "it has none of any peer".to_owned(),
        None => format!(
            "`detector peers --state-dir {}` lists the {} that it knows",
            sanitize::text(&reader.file().display().to_string()),
            cards.len()
        ),
    }))
}

const fn is_unknown(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Refused {
            status: NOT_FOUND,
            ..
        }
    )
}

/// What the recorder of an agent has of a peer that the agent does not track.
enum Past {
    /// A card.
    Known(Reader),
    /// No card.
    Unknown,
    /// This file cannot be read.
    Unread(PathBuf),
    /// There is none.
    None,
}

impl Past {
    fn of(socket: &Path, peer: PeerAddress) -> Self {
        let Some(file) = recorder_of(socket) else {
            return Self::None;
        };
        let looked = Reader::open(&file).and_then(|reader| {
            let card = reader.card(&peer.to_string())?;
            Ok(card.map(|_| reader))
        });
        match looked {
            Ok(Some(reader)) => Self::Known(reader),
            Ok(None) => Self::Unknown,
            Err(_) => Self::Unread(file),
        }
    }

    /// Completes the hint to somebody to whom no card was shown.
    fn hint(&self, peer: PeerAddress) -> String {
        let command = |file: &Path| format!("`detector explain {peer} {}`", state_dir_option(file));
        match self {
            Self::Known(reader) => {
                format!("; {} shows what was recorded of it", command(reader.file()))
            }
            Self::Unread(file) => format!(
                "; {} shows what was recorded of it, if anything",
                command(file)
            ),
            Self::Unknown => "; nor has its recorder a card of it".to_owned(),
            Self::None => String::new(),
        }
    }
}

/// The agent does not know the peer: names the nearest that it knows.
fn unknown(socket: &Path, wanted: PeerAddress, past: &Past) -> Failure {
    let failure = Failure::failed(format!(
        "cannot explain {wanted}: the agent does not track this peer"
    ));
    let past = past.hint(wanted);
    let target = format!("/v1/peers?limit={NEAR_LIMIT}");
    let Ok(Ok(known)) = converse(agent::list::<Peer>(socket, &target)) else {
        return failure.hint(format!("`detector peers` lists those that it tracks{past}"));
    };
    let names = known.rows.iter().map(|peer| peer.peer.as_str());
    let tracked = match nearest(wanted.network, names) {
        Some(near) => format!(
            "the nearest that it tracks is {near}; `detector peers` lists all {}",
            known.total
        ),
        None if known.rows.is_empty() => {
            "it tracks none: no connection has misbehaved since it started, or those that did are \
             long gone"
                .to_owned()
        }
        None => format!("`detector peers` lists the {} that it tracks", known.total),
    };
    failure.hint(tracked + &past)
}

/// The least leading bits of an address that make another one near: a /16, a /32 of IPv6.
const fn near_bits(network: IpNet) -> u32 {
    match network {
        IpNet::V4(_) => 16,
        IpNet::V6(_) => 32,
    }
}

/// The name of the peer that shares most leading bits, if it shares enough.
fn nearest<'a>(wanted: IpNet, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let shared = |name: &str| shared_bits(wanted.addr(), network_of(name)?.addr());
    let near = names.filter_map(|name| Some((shared(name)?, name)));
    let (bits, name) = near.max_by_key(|(bits, _)| *bits)?;
    (bits >= near_bits(wanted)).then_some(name)
}

const fn shared_bits(a: IpAddr, b: IpAddr) -> Option<u32> {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
