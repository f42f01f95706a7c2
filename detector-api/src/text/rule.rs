//! The rule behind a flag with its numbers put in, what the standard says, and where in the kernel
//! it happens.

use super::figures::Figures;
use crate::snapshot::{FlagKind, Numbers, Source};

/// A sentence of a standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// `RFC 9293, 3.8.6.1`
    pub section: &'static str,
    /// Word for word.
    pub text: &'static str,
}

/// Everything that a card says of one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule with its numbers.
    pub numbers: String,
    /// What the standard says.
    pub quotes: &'static [Quote],
    /// Function, file and branch.
    pub kernel: &'static str,
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

/// The rule of a kind of flag for a connection (or, for `stall-hoard`, a peer) with these numbers,
/// named as in the evidence of events.
pub fn rule(kind: FlagKind, numbers: &Numbers) -> Rule {
    let figures = Figures(numbers);
    let show = |name| figures.show(name);
    let no_progress = || {
        let bound = if figures.has("stall_after_seconds") {
            format!(" = {}", show("stall_after_seconds"))
        } else {
            String::new()
        };
        format!(
            "no byte acknowledged for {} >= `stall_after`{bound}",
            show("stalled_seconds")
        )
    };
    match kind {
        FlagKind::WindowShrink => Rule {
            numbers: format!(
                "the right edge lay {} below the highest ever offered, rounding explains less \
                 than 2^{} = {}; {} to zero over data in flight (treason), {} below data in \
                 flight, {} polite",
                show("retracted_max_bytes"),
                show("window_shift"),
                rounding(figures),
                show("shrinks_treason"),
                show("shrinks_below_flight"),
                show("shrinks_polite"),
            ),
            quotes: &SHRINK,
            kernel: if figures.has("shrinks_treason") {
                "tcp_may_update_window (net/ipv4/tcp_input.c) takes the window; then \
                 tcp_retransmit_timer (net/ipv4/tcp_timer.c), the branch `!tp->snd_wnd` that once \
                 wrote \"Treason uncloaked\": the head is sent again as a probe."
            } else {
                "tcp_may_update_window (net/ipv4/tcp_input.c) takes the window as it is: no \
                 branch, no counter, no message."
            },
        },
        FlagKind::ZeroWindowStall => Rule {
            numbers: format!(
                "{} queued > 0; window {}; {}",
                show("queued_bytes"),
                show("window_bytes"),
                no_progress()
            ),
            quotes: &CLOSED_WINDOW,
            kernel: if figures.has("in_flight_bytes") {
                TREASON_BRANCH
            } else {
                PROBE_BRANCH
            },
        },
        FlagKind::SmallWindowStall => Rule {
            numbers: format!(
                "window {} < head segment, at most {} of {} queued; {}",
                show("window_bytes"),
                show("mss_bytes"),
                show("queued_bytes"),
                no_progress()
            ),
            quotes: &SMALL_WINDOW,
            kernel: "tcp_snd_wnd_test (net/ipv4/tcp_output.c) holds the head back; after a probe \
                     timeout tcp_write_wakeup sends a piece cut down to the window.",
        },
        FlagKind::Dribble => Rule {
            numbers: dribble(figures),
            quotes: &DRIBBLE,
            kernel: "none: to the kernel this is a working connection. tcp_snd_wnd_test \
                     (net/ipv4/tcp_output.c) holds the data back.",
        },
        FlagKind::Unanswered => Rule {
            numbers: format!(
                "{} queued > 0; {} unanswered (3 are enough); or {} sent again since the last \
                 acknowledgement of anything (2 are enough with 2 timeouts in a row, 3 into a \
                 window that takes no segment) and {} (4 are enough where the window is open, \
                 whatever is answered), {}; or fewer than {} acknowledged over {}, with segments \
                 sent again for most of it",
                show("queued_bytes"),
                figures.many("probes_unanswered", "probe", "probes"),
                figures.many("retransmits_unanswered", "segment", "segments"),
                figures.many("timeouts", "timeout", "timeouts"),
                no_progress(),
                show("floor_bytes_per_second"),
                show("over_seconds"),
            ),
            quotes: &UNANSWERED,
            kernel: "tcp_retransmit_timer and tcp_write_timeout (net/ipv4/tcp_timer.c) give up \
                     after net.ipv4.tcp_retries2 timeouts, by default after about a quarter of \
                     an hour.",
        },
        FlagKind::TinyWindow => Rule {
            numbers: format!(
                "segments of {}, largest window ever {}: tiny are segments below 256 B, or \
                 windows below two segments of at most 536 B",
                show("mss_bytes"),
                show("max_window_bytes"),
            ),
            quotes: &TINY_WINDOW,
            kernel: "tcp_bound_to_half_wnd (include/net/tcp.h) in tcp_sync_mss \
                     (net/ipv4/tcp_output.c) cuts segments to the window.",
        },
        FlagKind::StallHoard => Rule {
            numbers: format!(
                "{} stalled, a hoard from {}; or {} pinned, a hoard from {}",
                show("stalled_connections"),
                figures.connections("hoard_connections"),
                show("pinned_bytes"),
                show("hoard_bytes"),
            ),
            quotes: &HOARD,
            kernel: "nothing adds up by peer; sk_stream_wait_memory (net/core/stream.c) is where \
                     each worker waits, tcp_out_of_resources (net/ipv4/tcp_timer.c) acts on \
                     orphans only.",
        },
    }
}

fn dribble(figures: Figures<'_>) -> String {
    let show = |name| figures.show(name);
    let mut numbers = format!(
        "drains {}, the floor is {} over {}, while its window is the limit",
        show("drain_bytes_per_second"),
        show("floor_bytes_per_second"),
        show("over_seconds"),
    );
    let (queued, pace) = (
        figures.number("queued_bytes"),
        figures.number("drain_bytes_per_second"),
    );
    if let (Some(queued), Some(pace)) = (queued, pace)
        && pace > 0.0
    {
        let rest = crate::units::seconds(queued / pace);
        let queued = show("queued_bytes");
        numbers += &format!("; {queued} queued take {rest} more at this pace");
    }
    numbers
}

/// The least that counts as a shrink.
fn rounding(figures: Figures<'_>) -> String {
    match figures.number("window_shift") {
        Some(shift) => crate::units::measure("_bytes", shift.clamp(0.0, 14.0).exp2()),
        None => figures.show("window_shift"),
    }
}

/// Who on our side saw it, and what that means for the numbers.
pub const fn source(kind: FlagKind, source: Source) -> (&'static str, &'static str) {
    if matches!(kind, FlagKind::StallHoard) {
        return (
            "the agent",
            "adds up all its connections, whoever saw them.",
        );
    }
    match source {
        Source::Hook => (
            "hook",
            "at the segments themselves, as they came. Segments that the kernel merged while a \
             process held the socket count as one.",
        ),
        Source::Sweep => (
            "sweep",
            "by passing over all sockets, as hooks are blind to connections that are half closed \
             or older than the agent. What happened between two passes is not known, so counts \
             are lower bounds.",
        ),
        Source::Both => (
            "hook and sweep",
            "hooks saw segments as they came; the sweep confirmed what is in force, and covers \
             states in which hooks are blind.",
        ),
    }
}
