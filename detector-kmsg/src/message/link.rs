//! What drivers write about the links of network interfaces, each in its own words.

use super::{LinkChange, Message};

const PHRASES: [(&str, LinkChange); 17] = [
    ("Link is Down", LinkChange::Down),
    ("Link is down", LinkChange::Down),
    ("link is down", LinkChange::Down),
    ("Link down", LinkChange::Down),
    ("link down", LinkChange::Down),
    ("link status definitely down", LinkChange::Down),
    ("Link is Up", LinkChange::Up),
    ("Link is up", LinkChange::Up),
    ("link is up", LinkChange::Up),
    ("Link up", LinkChange::Up),
    ("link up", LinkChange::Up),
    ("link status definitely up", LinkChange::Up),
    ("NETDEV WATCHDOG", LinkChange::Reset),
    ("Unit Hang", LinkChange::Reset),
    ("Reset adapter", LinkChange::Reset),
    ("Resetting adapter", LinkChange::Reset),
    ("initiating reset due to", LinkChange::Reset),
];

/// A change of an interface that the line names.
pub(super) fn change(text: &str) -> Option<Message> {
    let (_, change) = PHRASES
        .into_iter()
        .find(|(phrase, _)| text.contains(phrase))?;
    let words = || {
        text.split([' ', ':', ',', '(', ')'])
            .filter(|word| is_interface(word))
    };
    // A bond's line names the bond first; it is the interface that lost its link.
    let member = text
        .split_once("interface ")
        .and_then(|(_, rest)| rest.split([' ', ',']).next());
    let interface = member
        .filter(|word| is_interface(word))
        .or_else(|| words().next())?;
    Some(Message::Link(interface.to_owned(), change))
}

/// Whether this can be the name of a network interface: disks, too, have links.
fn is_interface(word: &str) -> bool {
    const BEGINNINGS: [&str; 14] = [
        "eth", "eno", "ens", "enp", "enx", "enP", "em", "wlan", "wlp", "bond", "team", "ib", "lan",
        "wan",
    ];
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_slot = word.starts_with('p')
        && word[1..].split_once('p').is_some_and(|(slot, port)| {
            !slot.is_empty()
                && !port.is_empty()
                && format!("{slot}{port}")
                    .bytes()
                    .all(|byte| byte.is_ascii_digit())
        });
    word.len() < 16
        && has_digit
        && (is_slot
            || BEGINNINGS
                .iter()
                .any(|beginning| word.starts_with(beginning)))
}
