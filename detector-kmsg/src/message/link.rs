//! What drivers write about the links of network interfaces, each in its own words.

use super::{LinkChange, Message};

/// In small letters.
const PHRASES: [(&str, LinkChange); 19] = [
    ("link is down", LinkChange::Down),
    ("link down", LinkChange::Down),
    ("link status definitely down", LinkChange::Down),
    ("link is up", LinkChange::Up),
    ("link up", LinkChange::Up),
    ("link status definitely up", LinkChange::Up),
    ("netdev watchdog", LinkChange::Reset),
    ("unit hang", LinkChange::Reset),
    ("reset adapter", LinkChange::Reset),
    ("resetting adapter", LinkChange::Reset),
    ("initiating reset due to", LinkChange::Reset),
    ("transmit timed out", LinkChange::Reset),
    ("tx timeout", LinkChange::Reset),
    ("tx_timeout", LinkChange::Reset),
    ("tx hang", LinkChange::Reset),
    ("trigger reset is on", LinkChange::Reset),
    ("keep alive watchdog timeout", LinkChange::Reset),
    ("pf reset issued", LinkChange::Reset),
    ("nic up:", LinkChange::Up),
];
/// Drivers that are called like interfaces, beside those of the family `lan78xx`.
const DRIVERS: [&str; 2] = ["enc28j60", "enc424j600"];
/// A longer line is none of a driver's.
const LONGEST: usize = 300;

/// A change of an interface that the line names.
pub(super) fn change(text: &str) -> Option<Message> {
    if text.len() > LONGEST {
        return None;
    }
    let small = text.to_ascii_lowercase();
    let (at, change) = PHRASES
        .into_iter()
        .find_map(|(phrase, change)| Some((small.find(phrase)?, change)))
        .or_else(|| speed_change(&small))?;
    // A program that watches links, with its process; and the kernel quotes nothing.
    let is_of_program = text[..at].contains("]: ") || text.contains('"');
    if is_of_program || begins_with_host(text) {
        return None;
    }
    let interface = interface(text).or_else(|| {
        // Some drivers name only the card.
        let card = text
            .split([' ', ','])
            .map(|word| word.trim_end_matches(':'));
        (change == LinkChange::Reset).then(|| { card }.find(|word| is_slot(word)))?
    })?;
    Some(Message::Link(interface.to_owned(), change))
}

/// `link change old 10000 new 0`, in megabits a second.
fn speed_change(small: &str) -> Option<(usize, LinkChange)> {
    let at = small.find("link change old ")?;
    let (_, new) = small[at..].rsplit_once(" new ")?;
    let speed: u64 = new.trim_end().parse().ok()?;
    Some((
        at,
        if speed == 0 {
            LinkChange::Down
        } else {
            LinkChange::Up
        },
    ))
}

/// Whether a host and a program stand first: `web1 dhclient: eth0: …`.
fn begins_with_host(text: &str) -> bool {
    let mut words = text.split(' ');
    let (Some(first), Some(second)) = (words.next(), words.next()) else {
        return false;
    };
    let program = second.strip_suffix(':');
    first != "NETDEV"
        && !first.contains(':')
        && program.is_some_and(|name| {
            name.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_interface(name)
        })
}

fn interface(text: &str) -> Option<&str> {
    // A bond's line names the bond first; it is the interface that lost its link.
    let member = ["interface ", "(slave "].iter().find_map(|before| {
        text.split_once(before)?
            .1
            .split([' ', ',', ')', '.'])
            .next()
    });
    // The watchdog names it even where its name is like no other.
    let watched = || {
        let (_, rest) = text.split_once("NETDEV WATCHDOG: ")?;
        let (name, _) = rest
            .split_once(" (")
            .filter(|(_, driver)| driver.contains(')'))?;
        let name = name.rsplit(": ").next()?;
        (!name.is_empty() && name.len() < 16 && !name.contains(' ')).then_some(name)
    };
    let words = || {
        text.split([' ', ':', ',', '(', ')'])
            .find(|word| is_interface(word.trim_end_matches('.')))
    };
    // A bond names what it is made of whatever that is called; a switch may have one port of a kind.
    let is_of_bond = text.contains("link status definitely");
    let port = || {
        let ports = ["wan", "lan"].into_iter();
        { ports }.find(|port| text.contains(&format!(" {port}: Link is ")))
    };
    member
        .filter(|word| is_interface(word) || is_of_bond && is_plain(word))
        .or_else(watched)
        .or_else(words)
        .or_else(port)
}

/// `0000:01:00.0`
fn is_slot(word: &str) -> bool {
    let is_hexadecimal =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<_> = word.split([':', '.']).collect();
    parts.len() == 4 && word.len() < 20 && parts.into_iter().all(is_hexadecimal)
}

/// Whether this can be the name of a network interface: disks, too, have links.
fn is_interface(word: &str) -> bool {
    const BEGINNINGS: [&str; 25] = [
        "eth", "eno", "ens", "enp", "enx", "enP", "enc", "end", "env", "em", "wlan", "wlp", "wlx",
        "wwan", "bond", "team", "ib", "lan", "wan", "usb", "br", "veth", "vlan", "nic", "tap",
    ];
    let is_driver = DRIVERS.iter().any(|driver| word.starts_with(driver))
        || word
            .strip_prefix("lan")
            .is_some_and(|rest| rest.contains(|c: char| c.is_ascii_alphabetic()));
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_port = word.starts_with('p')
        && word[1..].split_once('p').is_some_and(|(slot, port)| {
            !slot.is_empty()
                && !port.is_empty()
                && format!("{slot}{port}")
                    .bytes()
                    .all(|byte| byte.is_ascii_digit())
        });
    has_digit
        && !is_driver
        && is_plain(word)
        && (is_port
            || BEGINNINGS
                .iter()
                .any(|beginning| word.starts_with(beginning)))
}

/// Whether an interface can be called so.
fn is_plain(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    (1..16).contains(&word.len()) && word.chars().all(is_part)
}
