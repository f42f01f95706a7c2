//! Who holds TCP's memory.

use super::{counted, owner};
use crate::tcp_memory::{HeldBytes, MemoryHolder, TcpMemoryHeld, Unread};
use crate::units::{bytes, percent};

/// What a holder has, as it stands in a list.
const fn noun(holder: MemoryHolder) -> &'static str {
    match holder {
        MemoryHolder::StalledSend => "send queues of stalled connections",
        MemoryHolder::Send => "other send queues",
        MemoryHolder::Receive => "received data that our own programs have not read",
        MemoryHolder::Orphans => "sockets that no process holds any more",
        MemoryHolder::Unlisted => "in no list of sockets",
    }
}

/// `300 MB (49 %) received data that …, 4 MB (1 %) other send queues`; `None` where nobody holds any.
pub fn holders(held: &HeldBytes, counted_bytes: u64) -> Option<String> {
    let parts = MemoryHolder::ALL.map(|holder| (held.of(holder), holder));
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(part, _)| *part > 0)
        .map(|(part, holder)| {
            let share = percent(share(part, counted_bytes));
            format!("{} ({share}) {}", bytes(part), noun(holder))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `Of 612 MB that the kernel counted: 300 MB (49 %) received data that … .`, then who does not
/// read, what unlisted may be, and whether any peer is to blame.
pub fn tcp_memory_held(held: &TcpMemoryHeld) -> String {
    let mut sentences = vec![match holders(&held.held_bytes, held.counted_bytes) {
        None => "No socket held any.".to_owned(),
        Some(holders) => format!(
            "Of {} that the kernel counted for TCP: {holders}.",
            bytes(held.counted_bytes)
        ),
    }];
    if held.held_bytes.receive > 0 && !held.unread.is_empty() {
        let unread: Vec<_> = held.unread.iter().map(who_does_not_read).collect();
        sentences.push(format!("Who has not read: {}.", unread.join("; ")));
    }
    if held.held_bytes.unlisted > 0 {
        sentences.push(why_unlisted(held));
    }
    if held.is_of_our_own() {
        sentences.push("No peer is the cause: this host itself holds what is short.".to_owned());
    }
    sentences.join(" ")
}

/// `haproxy[812] haproxy.service: 300 MB in 24 queues, 3 of them not even accepted`
pub(super) fn who_does_not_read(unread: &Unread) -> String {
    let who = unread.process.as_ref().map_or_else(
        || "a program not found".to_owned(),
        |process| owner(std::slice::from_ref(process)),
    );
    let queues = counted(unread.sockets, "queue", "queues");
    let mut text = format!("{who}: {} in {queues}", bytes(unread.bytes));
    if unread.not_accepted > 0 {
        text += &format!(", {} of them not even accepted", unread.not_accepted);
    }
    text
}

fn why_unlisted(held: &TcpMemoryHeld) -> String {
    if held.held_bytes.unlisted <= held.reserve_bytes {
        return format!(
            "What is in no list is within what processors keep to themselves, up to {}.",
            bytes(held.reserve_bytes)
        );
    }
    let mut text =
        "What is in no list: sockets that their peer has reset and a program still holds, \
                    queues of MPTCP"
            .to_owned();
    if held.namespaces_missed > 0 {
        let missed = counted(
            held.namespaces_missed,
            "network namespace",
            "network namespaces",
        );
        text += &format!(", {missed} that could not be listed");
    }
    text += &format!(
        "; up to {} may be what processors keep to themselves.",
        bytes(held.reserve_bytes)
    );
    text
}

/// `12 MB (19 %) of the 64 MB that docker:0123456789ab may have`
pub fn unit_share(pinned_bytes: u64, limit_bytes: u64, unit: &str) -> String {
    format!(
        "{} ({}) of the {} that {unit} may have",
        bytes(pinned_bytes),
        percent(share(pinned_bytes, limit_bytes)),
        bytes(limit_bytes),
    )
}

#[allow(clippy::cast_precision_loss, reason = "a percentage is shown")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::tcp_memory_held;
    use crate::snapshot::Process;
    use crate::tcp_memory::{HeldBytes, TcpMemoryHeld, Unread};

    fn unread(process: Option<Process>, not_accepted: u64) -> Unread {
        Unread {
            process,
            bytes: 300_000_000,
            sockets: 24,
            not_accepted,
        }
    }

    #[test]
    fn a_program_that_does_not_read_is_named_and_no_peer() {
        let haproxy = Process {
            pid: 812,
            comm: "haproxy".to_owned(),
            unit: Some("haproxy.service".to_owned()),
            executable: None,
            thread: None,
        };
        let held = TcpMemoryHeld {
            counted_bytes: 612_000_000,
            held_bytes: HeldBytes {
                send: 12_000_000,
                receive: 600_000_000,
                ..HeldBytes::default()
            },
            unread: vec![unread(Some(haproxy), 0), unread(None, 3)],
            ..TcpMemoryHeld::default()
        };
        assert_eq!(
            tcp_memory_held(&held),
            "Of 612 MB that the kernel counted for TCP: 12 MB (2.0 %) other send queues, 600 MB \
             (98 %) received data that our own programs have not read. Who has not read: \
             haproxy[812] haproxy.service: 300 MB in 24 queues; a program not found: 300 MB in 24 \
             queues, 3 of them not even accepted. No peer is the cause: this host itself holds what is short."
        );
    }

    #[test]
    fn what_is_in_no_list_comes_with_its_reasons() {
        let held = |unlisted, namespaces_missed| {
            tcp_memory_held(&TcpMemoryHeld {
                counted_bytes: 100_000_000,
                held_bytes: HeldBytes {
                    unlisted,
                    ..HeldBytes::default()
                },
                reserve_bytes: 2_000_000,
                namespaces_missed,
                ..TcpMemoryHeld::default()
            })
        };
        let little = held(1_500_000, 0);
        assert!(
            little.ends_with("keep to themselves, up to 2.0 MB."),
            "{little}"
        );
        let much = held(90_000_000, 2);
        for words in [
            "2 network namespaces that could not",
            "peer has reset",
            "No peer is",
        ] {
            assert!(much.contains(words), "{much}");
        }
        assert_eq!(
            tcp_memory_held(&TcpMemoryHeld::default()),
            "No socket held any."
        );
    }
}
