//! `detector explain`: the evidence card of one peer.

use super::place::note_left_out;
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
use std::path::Path;

/// Peers looked through for one that is near.
const NEAR_LIMIT: usize = 10_000;
const NOT_FOUND: u16 = 404;
/// Events read of a recorded peer.
const EVENTS: usize = 1_000;
/// A card is written in a second of which the host is recorded, too.
const BESIDE_MS: i64 = 1_500;

/// Prints the card of a peer.
pub fn explain(place: AgentOrRecorder<'_>, peer: PeerAddress, json: bool) -> Result<(), Failure> {
    if let Some(reader) = place.recorder()? {
        return recorded(&reader, peer, json);
    }
    let socket = place.socket;
    let target = format!("/v1/peers/{}", percent_encoded(&peer.to_string()));
    let refused = |error: ClientError| match error {
        ClientError::Refused {
            status: NOT_FOUND, ..
        } => unknown(socket, peer),
        other => other.into_failure(socket),
    };
    if json {
        let page = converse(agent::object::<Value>(socket, &target))?;
        return print(&format!("{:#}\n", page.map_err(refused)?));
    }
    let page = converse(agent::object::<PeerPage>(socket, &target))?;
    let page = page.map_err(refused)?;
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
    print(&peer_card(&subject, terminal))?;
    // The recorder of that agent knows what was held before this moment.
    let recorder = subject.status.recorder.as_ref();
    let Some(file) = recorder.and_then(|recorder| recorder.file.as_deref()) else {
        return Ok(());
    };
    match report::helped(Path::new(file), &subject.page.detail.peer.peer, terminal) {
        Ok(helped) => print(&helped),
        Err(error) => {
            note(&format!("what would have helped is not told: {error}"));
            Ok(())
        }
    }
}

/// Prints the card that was written last.
fn recorded(reader: &Reader, peer: PeerAddress, json: bool) -> Result<(), Failure> {
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
        return print(&format!("{page:#}\n"));
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
    print(&(peer_card(&subject, terminal) + &helped))
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

/// The agent does not know the peer: names the nearest that it knows.
fn unknown(socket: &Path, wanted: PeerAddress) -> Failure {
    let failure = Failure::failed(format!(
        "cannot explain {wanted}: the agent does not track this peer"
    ));
    let target = format!("/v1/peers?limit={NEAR_LIMIT}");
    let Ok(Ok(known)) = converse(agent::list::<Peer>(socket, &target)) else {
        return failure.hint("`detector peers` lists those that it tracks");
    };
    let names = known.rows.iter().map(|peer| peer.peer.as_str());
    failure.hint(match nearest(wanted.network, names) {
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
    })
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
mod tests {
    use super::nearest;
    use detector_api::address::network_of;

    #[test]
    fn the_nearest_peer_is_of_the_same_neighbourhood() {
        let known = [
            "203.0.113.200",
            "203.0.113.8",
            "198.51.100.7",
            "2001:db8:1::/64",
        ];
        let near = |text| nearest(network_of(text).unwrap(), known.into_iter());
        assert_eq!(near("203.0.113.7"), Some("203.0.113.8"));
        assert_eq!(near("198.51.1.1"), Some("198.51.100.7"));
        assert_eq!(near("192.0.2.1"), None);
        assert_eq!(near("2001:db8:2::1"), Some("2001:db8:1::/64"));
        assert_eq!(near("2a00::1"), None);
    }
}
