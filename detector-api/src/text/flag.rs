//! The words of each kind of flag: its clause in the line of an event, its rule on a card.

use super::figures::{UNKNOWN, connections, counted, known, unknown_code};
use super::rule::{Quote, Rule, Seen};
use crate::address::network_around;
use crate::bounds::{
    DEFAULT_MSS_BYTES, FRUITLESS_RETRANSMITS, SILENT_PROBES, SILENT_TIMEOUTS, TINY_MSS_BYTES,
    TINY_WINDOW_SEGMENTS,
};
use crate::snapshot::{
    Event, FlagEvidence, FlagKind, HoardEvidence, ShrinkEvidence, UnansweredEvidence,
};
use crate::units::{bytes, pace, seconds};

/// What a raised flag says, in half a sentence.
pub(super) fn clause(event: &Event) -> String {
    let lasted = || seconds(event.flag.stalled_seconds().unwrap_or_default());
    match &event.flag {
        FlagEvidence::WindowShrink(shrink) => format!(
            "took back {} of window it had offered",
            bytes(shrink.retracted_bytes)
        ),
        FlagEvidence::ZeroWindowStall(_) => format!("zero window for {}", lasted()),
        FlagEvidence::SmallWindowStall(_) => {
            format!("window too small for the next segment for {}", lasted())
        }
        FlagEvidence::Dribble(dribble) => {
            format!("reads only {}", pace(dribble.drain_bytes_per_second))
        }
        FlagEvidence::Unanswered(silence) => match silence.drain_bytes_per_second {
            Some(drained) => format!("acknowledges only {} for {}", pace(drained), lasted()),
            None => format!("no answer for {}", lasted()),
        },
        FlagEvidence::TinyWindow(_) => "never offered more than a tiny window".to_owned(),
        FlagEvidence::StallHoard(hoard) => {
            format!("hoards stalled connections{}", company(&event.peer, hoard))
        }
        FlagEvidence::Other { kind, evidence } => unknown_code(kind.label(), evidence),
    }
}

/// With whom a peer hoards: its network, and others alike.
fn company(peer: &str, hoard: &HoardEvidence) -> String {
    let one_of = |peers: u64, name: &str, connections: u64| {
        format!(", one of {peers} peers of {name}, {connections} in all")
    };
    let mut text = String::new();
    if let Some(network) = &hoard.network {
        let name = network_around(peer).map(|network| network.to_string());
        text += &one_of(
            network.network_peers,
            name.as_deref().unwrap_or("its network"),
            network.network_connections,
        );
    }
    if let Some(alike) = &hoard.alike {
        let name = "any network that behave alike";
        text += &one_of(alike.alike_peers, name, alike.alike_connections);
    }
    text
}

const CLOSED_WINDOW: [Quote; 1] = [Quote {
    section: "RFC 9293, 3.8.6.1",
    text: "As long as the receiving TCP peer continues to send acknowledgments in response to \
           the probe segments, the sending TCP peer MUST allow the connection to stay open \
           (MUST-37).",
}];

const SHRINK: [Quote; 2] = [
    Quote {
        section: "RFC 9293, 3.8.6",
        text: "A TCP receiver SHOULD NOT shrink the window, i.e., move the right window edge to \
               the left (SHLD-14).",
    },
    Quote {
        section: "RFC 7323, 2.4",
        text: "The receiver MUST honor, as in window, any segment that would have been in window \
               for any <ACK> sent by the receiver.",
    },
];

const SMALL_WINDOW: [Quote; 1] = [Quote {
    section: "RFC 9293, 3.8.6.2.1",
    text: "To avoid a resulting deadlock, it is necessary to have a timeout to force \
           transmission of data, overriding the SWS avoidance algorithm.",
}];

const DRIBBLE: [Quote; 1] = [Quote {
    section: "RFC 9293, 3.8.6.2",
    text: "The \"Silly Window Syndrome\" (SWS) is a stable pattern of small incremental window \
           movements resulting in extremely poor TCP performance.",
}];

const UNANSWERED: [Quote; 1] = [Quote {
    section: "RFC 9293, 3.8.3",
    text: "Excessive retransmission of the same segment by a TCP endpoint indicates some failure \
           of the remote host or the internetwork path.",
}];

const TINY_WINDOW: [Quote; 1] = [Quote {
    section: "RFC 9293, 3.8.6",
    text: "Indicating a small window may restrict the transmission of data to the point of \
           introducing a round-trip delay between each new segment transmitted.",
}];

const HOARD: [Quote; 1] = [Quote {
    section: "RFC 9293, 3.8.6.1, as RFC 6429 had made clear",
    text: "The behavior is subject to the implementation's resource management concerns",
}];

/// The branch that carries on while the window is zero and data is in flight.
const TREASON_BRANCH: &str = "tcp_retransmit_timer (net/ipv4/tcp_timer.c), the branch `!tp->snd_wnd` that once wrote \
     \"Treason uncloaked\": the head is sent again as a probe, no timeout is counted, and \
     nothing is logged.";
const PROBE_BRANCH: &str = "tcp_probe_timer (net/ipv4/tcp_timer.c): empty probes from 0.2 s to 120 s apart; each \
     answer sets their count back to zero, so that this never ends by itself.";

/// The rule of a kind of flag with what is known put in.
pub fn rule(kind: FlagKind, seen: &Seen<'_>) -> Rule {
    match kind {
        FlagKind::WindowShrink => shrink(seen),
        FlagKind::ZeroWindowStall => Rule {
            numbers: format!(
                "{} queued > 0; window {}; {}",
                seen.queued(),
                seen.window(),
                seen.no_progress()
            ),
            quotes: &CLOSED_WINDOW,
            kernel: match seen.numbers() {
                Some(numbers) if numbers.in_flight_bytes > 0 => TREASON_BRANCH,
                _ => PROBE_BRANCH,
            },
        },
        FlagKind::SmallWindowStall => Rule {
            numbers: format!(
                "window {} < head segment, at most {} of {} queued; {}",
                seen.window(),
                known(seen.connection, |connection| bytes(connection.mss_bytes)),
                seen.queued(),
                seen.no_progress()
            ),
            quotes: &SMALL_WINDOW,
            kernel: "tcp_snd_wnd_test (net/ipv4/tcp_output.c) holds the head back; after a probe \
                     timeout tcp_write_wakeup sends a piece cut down to the window.",
        },
        FlagKind::Dribble => Rule {
            numbers: dribble(seen),
            quotes: &DRIBBLE,
            kernel: "none: to the kernel this is a working connection. tcp_snd_wnd_test \
                     (net/ipv4/tcp_output.c) holds the data back.",
        },
        FlagKind::Unanswered => Rule {
            numbers: unanswered(seen),
            quotes: &UNANSWERED,
            kernel: "tcp_retransmit_timer and tcp_write_timeout (net/ipv4/tcp_timer.c) give up \
                     after net.ipv4.tcp_retries2 timeouts, by default after about a quarter of \
                     an hour.",
        },
        FlagKind::TinyWindow => Rule {
            numbers: tiny_window(seen),
            quotes: &TINY_WINDOW,
            kernel: "tcp_bound_to_half_wnd (include/net/tcp.h) in tcp_sync_mss \
                     (net/ipv4/tcp_output.c) cuts segments to the window.",
        },
        FlagKind::StallHoard => Rule {
            numbers: format!(
                "{} stalled, a hoard from {}; or {} pinned, a hoard from {}",
                seen.peer.stalled_connections,
                seen.threshold("hoard_connections", |bounds| connections(
                    bounds.hoard_connections
                )),
                bytes(seen.peer.pinned_bytes),
                seen.threshold("hoard_bytes", |bounds| bytes(bounds.hoard_bytes)),
            ),
            quotes: &HOARD,
            kernel: "nothing adds up by peer; sk_stream_wait_memory (net/core/stream.c) is where \
                     each worker waits, tcp_out_of_resources (net/ipv4/tcp_timer.c) acts on \
                     orphans only.",
        },
    }
}

fn shrink(seen: &Seen<'_>) -> Rule {
    let then = match seen.event {
        Some(FlagEvidence::WindowShrink(shrink)) => Some(*shrink),
        _ => None,
    };
    let shrink = seen.connection.map(ShrinkEvidence::of).or(then);
    let count = |of: fn(&ShrinkEvidence) -> u64| known(shrink, |shrink| of(&shrink).to_string());
    let is_treason = shrink.is_some_and(|shrink| shrink.shrinks_treason > 0);
    Rule {
        numbers: format!(
            "the right edge lay {} below the highest ever offered, rounding explains less than \
             2^{} = {}; {} to zero over data in flight (treason), {} below data in flight, {} \
             polite",
            known(shrink, |shrink| bytes(shrink.retracted_max_bytes)),
            count(|shrink| shrink.window_shift),
            // The largest shift is 14 (RFC 7323 section 2.3).
            known(shrink, |shrink| bytes(1 << shrink.window_shift.min(14))),
            count(|shrink| shrink.shrinks_treason),
            count(|shrink| shrink.shrinks_below_flight),
            count(|shrink| shrink.shrinks_polite),
        ),
        quotes: &SHRINK,
        kernel: if is_treason {
            "tcp_may_update_window (net/ipv4/tcp_input.c) takes the window; then \
             tcp_retransmit_timer (net/ipv4/tcp_timer.c), the branch `!tp->snd_wnd` that once \
             wrote \"Treason uncloaked\": the head is sent again as a probe."
        } else {
            "tcp_may_update_window (net/ipv4/tcp_input.c) takes the window as it is: no branch, \
             no counter, no message."
        },
    }
}

fn dribble(seen: &Seen<'_>) -> String {
    let now = seen.connection.map(|connection| {
        let drain = connection.bytes_acked_per_second;
        let rest = seconds_left(connection.queued_bytes, drain);
        (pace(drain), connection.queued_bytes, rest)
    });
    let then = || match seen.event {
        Some(FlagEvidence::Dribble(dribble)) => Some((
            pace(dribble.drain_bytes_per_second),
            dribble.connection.queued_bytes,
            Some(dribble.drain_seconds).filter(|rest| *rest > 0.0),
        )),
        _ => None,
    };
    let drains = now.or_else(then);
    let mut numbers = format!(
        "drains {}, the floor is {} over {}, while its window is the limit",
        known(drains.as_ref(), |(pace, ..)| pace.clone()),
        seen.threshold("dribble_floor", |bounds| pace(
            bounds.dribble_floor_bytes_per_second
        )),
        seen.threshold("dribble_over", |bounds| seconds(
            bounds.dribble_over_seconds
        )),
    );
    if let Some((_, queued, Some(rest))) = drains {
        numbers += &format!(
            "; {} queued take {} more at this pace",
            bytes(queued),
            seconds(rest)
        );
    }
    numbers
}

/// Seconds until so much is drained at this pace; none where there is no pace.
#[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
fn seconds_left(queued_bytes: u64, bytes_per_second: u64) -> Option<f64> {
    (bytes_per_second > 0).then(|| queued_bytes as f64 / bytes_per_second as f64)
}

fn unanswered(seen: &Seen<'_>) -> String {
    let silence = match seen.event {
        Some(FlagEvidence::Unanswered(silence)) => Some(silence),
        _ => None,
    };
    let many = |of: fn(&UnansweredEvidence) -> u64, one: &str, more: &str| match &silence {
        Some(silence) => counted(of(silence), one, more),
        None => format!("{UNKNOWN} {more}"),
    };
    format!(
        "{} queued > 0; {} unanswered ({SILENT_PROBES} are enough); or {} sent again since the \
         last acknowledgement of anything ({SILENT_TIMEOUTS} are enough with {SILENT_TIMEOUTS} \
         timeouts in a row, {SILENT_PROBES} into a window that takes no segment) and {}; or the \
         first segment not acknowledged sent again {} ({FRUITLESS_RETRANSMITS} of either are \
         enough where the window is open, whatever is answered), {}; or fewer than {} acknowledged \
         over {}, with segments sent again for most of it",
        seen.queued(),
        many(|silence| silence.stall.probes_unanswered, "probe", "probes"),
        many(
            |silence| silence.stall.retransmits_unanswered,
            "segment",
            "segments"
        ),
        many(|silence| silence.stall.timeouts, "timeout", "timeouts"),
        many(|silence| silence.head_retransmits, "time", "times"),
        seen.no_progress(),
        seen.threshold("dribble_floor", |bounds| pace(
            bounds.dribble_floor_bytes_per_second
        )),
        seen.threshold("dribble_over", |bounds| seconds(
            bounds.dribble_over_seconds
        )),
    )
}

fn tiny_window(seen: &Seen<'_>) -> String {
    let now = seen.connection;
    let now = now.map(|connection| (connection.mss_bytes, connection.max_window_bytes));
    let then = || match seen.event {
        Some(FlagEvidence::TinyWindow(tiny)) => Some((tiny.mss_bytes, tiny.max_window_bytes)),
        _ => None,
    };
    let sizes = now.or_else(then);
    format!(
        "segments of {}, largest window ever {}: tiny are segments below {TINY_MSS_BYTES} B, or \
         windows below {TINY_WINDOW_SEGMENTS} segments of {DEFAULT_MSS_BYTES} B",
        known(sizes, |(mss, _)| bytes(mss)),
        known(sizes, |(_, window)| bytes(window)),
    )
}
