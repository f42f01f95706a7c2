//! What TCP writes: closed windows, floods, memory.

use super::cursor::{Cursor, Stop};
use super::{Message, Parsed, WindowLine, WindowSentence};
use std::net::IpAddr;

/// No window is larger (RFC 7323), so no more can be in flight.
const MOST_IN_FLIGHT: u32 = 1 << 30;

/// `TCP: peer A:R/L shrinks window X:W:Y. Bad, what else can I say?` (2.3 to 2.6, from
/// `tcp_ack_update_window`; `W` is the window),
/// `TCP: Treason uncloaked! Peer A:R/L shrinks window X:Y. Repaired.` (2.4, 2.6),
/// `TCP: Peer A:R/L unexpectedly shrunk window X:Y (repaired)` (to 6.6),
/// `TCP: Probing zero-window on A:R/L, seq=X:Y, recv Nms ago, lasting Nms` (from 6.7), these from
/// `tcp_retransmit_timer`. `X:Y` is `snd_una:snd_nxt` in each.
pub(super) fn window(text: &str) -> Option<Parsed<'_>> {
    const SENTENCES: [(WindowSentence, &str, &str); 4] = [
        (WindowSentence::Retracted, "peer ", "peer "),
        (
            WindowSentence::Treason,
            "Treason",
            "Treason uncloaked! Peer ",
        ),
        (WindowSentence::Shrunk, "Peer ", "Peer "),
        (
            WindowSentence::Probing,
            "Probing",
            "Probing zero-window on ",
        ),
    ];
    let text = without_tag(text);
    let (sentence, _, beginning) = SENTENCES
        .into_iter()
        .find(|(_, word, _)| text.starts_with(word))?;
    let mut cursor = Cursor(text);
    let mut line = None;
    let end = cursor
        .literal(beginning)
        .and_then(|()| rest_of_window(&mut cursor, sentence, &mut line));
    let found = line.map(Message::Window);
    Some(match (end, found) {
        (Ok(()), Some(message)) => Parsed::Message(message, cursor.0),
        (Err(Stop::Cut), found) => Parsed::Cut(found),
        (Err(Stop::Impossible), _) => Parsed::Impossible,
        (Err(Stop::NoLocalPort), _) => Parsed::NoLocalPort,
        (Ok(()) | Err(Stop::Other), _) => return None,
    })
}

fn rest_of_window(
    cursor: &mut Cursor<'_>,
    sentence: WindowSentence,
    found: &mut Option<WindowLine>,
) -> Result<(), Stop> {
    let (before, after) = match sentence {
        WindowSentence::Retracted => (" shrinks window ", ". Bad"),
        WindowSentence::Treason => (" shrinks window ", ". Repaired."),
        WindowSentence::Shrunk => (" unexpectedly shrunk window ", " (repaired)"),
        WindowSentence::Probing => (", seq=", ", recv "),
    };
    let endpoint = cursor.until(&[' ', ','])?;
    // The sentence first: only its words make what stands before an endpoint.
    let said = cursor.literal(before);
    if let Err(stop) = said
        && (stop != Stop::Cut || cursor.0.trim_end().len() < 2)
    {
        return Err(stop);
    }
    let line = found.insert(endpoint_of(endpoint, sentence)?);
    said?;
    let una: u32 = cursor.number()?;
    cursor.literal(":")?;
    line.una = Some(una);
    if sentence == WindowSentence::Retracted {
        line.window = Some(cursor.number()?);
        cursor.literal(":")?;
    }
    let nxt: u32 = cursor.number()?;
    let in_flight = nxt.wrapping_sub(una);
    // Without data in flight nothing is sent again.
    if in_flight == 0 || in_flight > MOST_IN_FLIGHT {
        return Err(Stop::Impossible);
    }
    line.in_flight = Some(in_flight);
    cursor.literal(after)?;
    if sentence == WindowSentence::Retracted {
        let end = cursor.0.strip_prefix(", what else can I say?");
        cursor.0 = end.unwrap_or(cursor.0);
    }
    if sentence == WindowSentence::Probing {
        line.heard_ms_ago = Some(cursor.number()?);
        cursor.literal("ms ago, lasting ")?;
        line.lasting_ms = Some(cursor.number()?);
        cursor.literal("ms")?;
    }
    Ok(())
}

/// `A:R/L`; IPv6 is written as eight groups without brackets.
fn endpoint_of(text: &str, sentence: WindowSentence) -> Result<WindowLine, Stop> {
    let Some((remote, local)) = text.split_once('/') else {
        return Err(Stop::NoLocalPort);
    };
    let (address, port) = remote.rsplit_once(':').ok_or(Stop::Impossible)?;
    Ok(WindowLine {
        sentence,
        peer: peer_of(address)?,
        remote_port: port_of(port)?,
        local_port: port_of(local)?,
        una: None,
        in_flight: None,
        window: None,
        heard_ms_ago: None,
        lasting_ms: None,
    })
}

/// An address that can be a TCP peer.
fn peer_of(text: &str) -> Result<IpAddr, Stop> {
    let address = address_of(text).ok_or(Stop::Impossible)?;
    let is_possible = match address {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && v4.octets()[0] < 240,
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    if is_possible {
        Ok(address)
    } else {
        Err(Stop::Impossible)
    }
}

fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = text.parse().ok()?;
    Some(address.to_canonical())
}

fn port_of(text: &str) -> Result<u16, Stop> {
    match text.parse() {
        Ok(0) | Err(_) => Err(Stop::Impossible),
        Ok(port) => Ok(port),
    }
}

/// Some kernels wrote it twice, and some people leave the blank out.
pub(super) fn without_tag(mut text: &str) -> &str {
    while let Some(rest) = text.strip_prefix("TCP:") {
        text = rest.trim_start();
    }
    text
}

/// How the kernel says that there are too many orphans; MPTCP, out of the tree, says it, too.
const ORPHANS: [&str; 2] = ["too many orphaned sockets", "too many of orphaned sockets"];

/// The other messages of TCP.
pub(super) fn other(text: &str) -> Option<Parsed<'_>> {
    let is_tcp = text.starts_with("TCP: ");
    let body = without_tag(text);
    if let Some(flood) = flood(body) {
        return Some(flood);
    }
    if let Some(rest) = body.strip_prefix("drop open request from ") {
        return Some(dropped(rest));
    }
    let begins = |beginning| body.starts_with(beginning);
    let found = if text.starts_with("MPTCP: out of memory") {
        Message::MptcpClosed
    } else if ORPHANS
        .iter()
        .any(|words| body.trim_start_matches("MPTCP: ").starts_with(words))
    {
        Message::TooManyOrphans
    } else if begins("Out of socket memory") {
        Message::OutOfSocketMemory
    } else if is_tcp && begins("out of memory") {
        Message::TcpOutOfMemory
    } else {
        return None;
    };
    Some(Parsed::Message(found, ""))
}

/// `203.0.113.5/33287`.
fn dropped(text: &str) -> Parsed<'_> {
    let Some((address, port)) = text.split_once('/') else {
        return Parsed::Cut(None);
    };
    match peer_of(address) {
        _ if !port.starts_with(|c: char| c.is_ascii_digit()) => Parsed::Cut(None),
        Ok(address) => Parsed::Message(Message::OpenRequestDropped(address), ""),
        Err(_) => Parsed::Impossible,
    }
}

/// `possible SYN flooding on port 80. Sending cookies.`, `request_sock_TCP: Possible SYN flooding on
/// port [::]:443. Dropping request.`, `Warning: possible SYN flood from A on B:80. Sending cookies.`
/// (2.0 and 2.2). `A` may be forged, and `B` is ours: neither is evidence about a peer.
fn flood(text: &str) -> Option<Parsed<'_>> {
    let (before, rest) = text.split_once("ossible SYN flood")?;
    let before = before.strip_suffix(['p', 'P'])?;
    let is_ours = before.is_empty()
        || before.eq_ignore_ascii_case("warning: ")
        || before
            .strip_suffix(": ")
            .is_some_and(|name| !name.contains([' ', '"', '/', ']']));
    if !is_ours {
        return None;
    }
    let (_, place) = rest.split_once(" on ")?;
    // A container's number may stand before the port.
    let place = place.rsplit_once("port ").map_or(place, |(_, port)| port);
    let ends = |(at, _): &(usize, &str)| place[at + 1..].trim_start().starts_with(['S', 'D']);
    let last = || place.trim_end().strip_suffix('.').map(str::len);
    let Some(end) = place
        .match_indices('.')
        .find(ends)
        .map(|(at, _)| at)
        .or_else(last)
    else {
        return is_place(place).then_some(Parsed::Cut(None));
    };
    let (place, action) = (&place[..end], place[end + 1..].trim_start());
    let (address, port) = match place.rsplit_once(':') {
        None => (None, place),
        Some((address, port)) => (Some(address_of(address)?), port),
    };
    let flood = Message::SynFlood {
        address,
        port: port.trim().parse().ok().filter(|port| *port != 0)?,
        is_dropping: action.starts_with("Dropping"),
    };
    let is_told = action.starts_with("Dropping") || action.starts_with("Sending");
    Some(if is_told {
        Parsed::Message(flood, "")
    } else {
        Parsed::Cut(Some(flood))
    })
}

/// Whether this can be a port, with or without its address, or the beginning of one.
fn is_place(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_hexdigit() || "[]:.".contains(c);
    text.len() <= 48 && text.trim_end().chars().all(is_part)
}
