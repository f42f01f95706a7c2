//! Bad or broken peers, and what is to be said of each.

use crate::suite::plays::{crafted, hoards, kernel, tools};
use crate::suite::scenario::{Act, Expected, Label, Place, Scenario, SeenBy};

const fn hook(kind: &'static str) -> Expected {
    Expected {
        kind,
        seen_by: SeenBy::Hook,
    }
}

const fn sweep(kind: &'static str) -> Expected {
    Expected {
        kind,
        seen_by: SeenBy::Sweep,
    }
}

const SHRINK: Expected = hook("window-shrink");
const ZERO_WINDOW: Expected = hook("zero-window-stall");
const HOARD: Expected = hook("stall-hoard");
const SWEPT_ZERO_WINDOW: Expected = sweep("zero-window-stall");
const SMALL_WINDOW: Expected = sweep("small-window-stall");
const TINY_WINDOW: Expected = sweep("tiny-window");
const DRIBBLE: Expected = sweep("dribble");
const UNANSWERED: Expected = sweep("unanswered");
const FLOODED: &[Expected] = &[ZERO_WINDOW, HOARD];

const ZERO_WINDOW_ATTACK: &[&str] = &["zero-window-attack"];
const SLOW_READ_ATTACK: &[&str] = &["slow-read-attack"];
/// A little is read now and then, but the kernel below says so only when there is room again:
/// both names are right.
const EITHER_ATTACK: &[&str] = &["slow-read-attack", "zero-window-attack"];
const SHRINKING: &[&str] = &["shrinking-peer"];
const SLOW: &[&str] = &["slow-client"];
/// Whether a silent peer or the path to it is gone cannot be told from here.
const SILENT: &[&str] = &["vanished", "path-loss"];

const fn bad(
    name: &'static str,
    plot: &'static str,
    place: Place,
    flags: &'static [Expected],
    verdicts: &'static [&'static str],
    play: fn(&crate::suite::stage::Stage) -> anyhow::Result<()>,
) -> Scenario {
    Scenario {
        name,
        plot,
        label: Label::Bad { flags, verdicts },
        place,
        networks: 1,
        act: Act::Main,
        play,
    }
}

/// Bad or broken peers with one connection, or a few.
pub(super) fn lone_peers() -> [Scenario; 15] {
    use Place::{Link, Tun};
    [
        bad(
            "treason",
            "takes its window back to zero with data in flight",
            Tun,
            &[SHRINK, ZERO_WINDOW],
            SHRINKING,
            crafted::treason,
        ),
        bad(
            "below-flight",
            "takes its window back to 2,048 bytes with more than that in flight",
            Tun,
            &[SHRINK],
            SHRINKING,
            crafted::below_flight,
        ),
        bad(
            "salami",
            "with shift 14, retreats six times by less than 2^14 bytes, reads on, again and again",
            Tun,
            &[SHRINK],
            SHRINKING,
            crafted::salami,
        ),
        bad(
            "zero-window",
            "asks for a long answer and stops reading",
            Tun,
            &[ZERO_WINDOW],
            SLOW,
            crafted::zero_window,
        ),
        bad(
            "odd-ports",
            "the same; the server's port is of the range of clients, the peer's is not",
            Tun,
            &[ZERO_WINDOW],
            SLOW,
            crafted::odd_ports,
        ),
        bad(
            "teasing",
            "stops reading; opens its window by 128 bytes and closes it, again and again",
            Tun,
            &[ZERO_WINDOW],
            &["slow-client", "shrinking-peer"],
            crafted::teasing,
        ),
        bad(
            "half-closed",
            "sends its request with FIN and stops reading: CLOSE_WAIT on our side",
            Tun,
            &[SWEPT_ZERO_WINDOW],
            SLOW,
            crafted::half_closed,
        ),
        bad(
            "orphan",
            "stops reading after the server has closed: FIN_WAIT1, no process",
            Tun,
            &[SWEPT_ZERO_WINDOW],
            SLOW,
            crafted::orphan,
        ),
        bad(
            "small-window",
            "leaves a window open into which the next segment does not fit",
            Tun,
            &[SMALL_WINDOW],
            SLOW,
            crafted::small_window,
        ),
        bad(
            "tiny-window",
            "never offers more than 400 bytes",
            Tun,
            &[TINY_WINDOW],
            SLOW,
            crafted::tiny_window,
        ),
        bad(
            "dribble",
            "reads 100 bytes a second",
            Tun,
            &[DRIBBLE],
            SLOW,
            crafted::dribble,
        ),
        bad(
            "dribble-kernel",
            "a kernel with next to no receive buffer reads 100 bytes a second",
            Link,
            &[DRIBBLE],
            SLOW,
            kernel::dribbler,
        ),
        bad(
            "unanswered",
            "reads, and from one moment on answers nothing",
            Tun,
            &[UNANSWERED],
            SILENT,
            crafted::unanswered,
        ),
        bad(
            "fruitless",
            "answers all that is sent, with its window open, and acknowledges none of it",
            Tun,
            &[UNANSWERED],
            SLOW,
            crafted::fruitless,
        ),
        bad(
            "slow-ack",
            "acknowledges a byte a second, with its window open",
            Tun,
            &[UNANSWERED],
            SLOW,
            crafted::slow_ack,
        ),
    ]
}

/// Bad peers that add up.
pub(super) fn crowds() -> [Scenario; 6] {
    use Place::{Link, Tun};
    [
        bad(
            "vanished",
            "all packets of a client are dropped where it lives, in the middle of a download",
            Link,
            &[UNANSWERED],
            SILENT,
            kernel::vanished,
        ),
        bad(
            "tarpit",
            "we are the client: three uploads to a server that never reads",
            Link,
            &[ZERO_WINDOW],
            &["tarpit"],
            kernel::tarpit,
        ),
        bad(
            "hoard-address",
            "30 connections of one address stop reading",
            Tun,
            &[ZERO_WINDOW, HOARD],
            ZERO_WINDOW_ATTACK,
            hoards::of_address,
        ),
        bad(
            "hoard-network",
            "36 connections of 12 addresses of one /24 (/64) stop reading, 3 of each address",
            Tun,
            &[ZERO_WINDOW],
            ZERO_WINDOW_ATTACK,
            hoards::of_network,
        ),
        Scenario {
            networks: hoards::ALIKE,
            ..bad(
                "hoard-alike",
                "24 addresses of unrelated networks, one connection each, do the same",
                Tun,
                &[ZERO_WINDOW],
                ZERO_WINDOW_ATTACK,
                hoards::by_likeness,
            )
        },
        bad(
            "hoard-dribble",
            "25 connections of one address, each read at 100 bytes a second",
            Tun,
            &[DRIBBLE, HOARD],
            SLOW_READ_ATTACK,
            hoards::of_dribblers,
        ),
    ]
}

/// Attacks on real servers, most of them by real tools.
pub(super) fn real_tools() -> [Scenario; 7] {
    use Place::{Link, SmallBuffers, Tun};
    let flood = "30 connections ask for 64 MiB and offer no window any more (as sockstress)";
    let slow_read = "slowhttptest -X: 30 connections, 32 bytes read each 5 s";
    [
        bad(
            "sockstress-nginx",
            flood,
            Tun,
            FLOODED,
            ZERO_WINDOW_ATTACK,
            hoards::sockstress_nginx,
        ),
        bad(
            "sockstress-apache-prefork",
            flood,
            Tun,
            FLOODED,
            ZERO_WINDOW_ATTACK,
            hoards::sockstress_prefork,
        ),
        bad(
            "sockstress-apache-event",
            flood,
            Tun,
            FLOODED,
            ZERO_WINDOW_ATTACK,
            hoards::sockstress_event,
        ),
        bad(
            "slowhttptest-nginx",
            slow_read,
            Link,
            &[HOARD],
            EITHER_ATTACK,
            tools::slow_read_nginx,
        ),
        bad(
            "slowhttptest-apache-prefork",
            slow_read,
            Link,
            &[HOARD],
            EITHER_ATTACK,
            tools::slow_read_prefork,
        ),
        bad(
            "slowhttptest-apache-event",
            slow_read,
            Link,
            &[HOARD],
            EITHER_ATTACK,
            tools::slow_read_event,
        ),
        bad(
            "curl-1B",
            "1,000 curl --limit-rate 1B with small buffers at the same time from one address, on nginx",
            SmallBuffers,
            FLOODED,
            EITHER_ATTACK,
            tools::curl_one_byte,
        ),
    ]
}
