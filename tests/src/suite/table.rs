//! The labelled scenarios.

use super::plays::{crafted, hoards, honest, kernel, tools};
use super::scenario::{Act, Expected, Label, Place, Scenario, SeenBy};

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
    play: fn(&super::stage::Stage) -> anyhow::Result<()>,
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

const fn honest(
    name: &'static str,
    plot: &'static str,
    place: Place,
    play: fn(&super::stage::Stage) -> anyhow::Result<()>,
) -> Scenario {
    Scenario {
        name,
        plot,
        label: Label::Honest,
        place,
        networks: 1,
        act: Act::Main,
        play,
    }
}

/// All of them, each to be played in both families.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::from(lone_peers());
    all.extend(crowds());
    all.extend(real_tools());
    all.extend(honest_peers());
    all.extend(honest_readers());
    all
}

/// Bad or broken peers with one connection, or a few.
fn lone_peers() -> [Scenario; 14] {
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
    ]
}

/// Bad peers that add up.
fn crowds() -> [Scenario; 6] {
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
fn real_tools() -> [Scenario; 7] {
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

/// Honest peers whose connection is odd.
fn honest_peers() -> [Scenario; 10] {
    use Place::{Link, Shaped, Tun};
    [
        Scenario {
            act: Act::Load,
            ..honest("wrk", "wrk at full speed on nginx", Link, tools::wrk)
        },
        honest(
            "loss-2",
            "downloads with 2 % of packets lost",
            Link,
            honest::loss_2,
        ),
        honest(
            "loss-10",
            "downloads with 10 % of packets lost",
            Link,
            honest::loss_10,
        ),
        honest(
            "shaped",
            "a download over a wire of 8 Mbit/s (tbf)",
            Shaped,
            honest::shaped,
        ),
        honest(
            "keep-alive",
            "an idle minute between two answers of nginx",
            Link,
            honest::keep_alive,
        ),
        honest(
            "server-sent-events",
            "one short line a second",
            Link,
            honest::server_sent_events,
        ),
        honest(
            "web-socket",
            "idle but for a ping and a message each 15 s",
            Link,
            honest::web_socket,
        ),
        honest(
            "reopens",
            "its window closes and reopens within a second, again and again",
            Tun,
            honest::reopens,
        ),
        honest(
            "short-of-memory",
            "takes its window back to zero once, reopens it 0.5 s later and reads all",
            Tun,
            honest::short_of_memory,
        ),
        honest(
            "granularity",
            "its window is rounded to 16 KiB (RFC 7323 appendix F)",
            Tun,
            honest::granularity,
        ),
    ]
}

/// Honest peers that read slowly, late or fast.
fn honest_readers() -> [Scenario; 10] {
    use Place::{Link, SecondServer, ShrinkingClient};
    [
        honest(
            "curl-200k",
            "curl --limit-rate 200k on nginx",
            Link,
            tools::curl_200k,
        ),
        honest(
            "pauses-2s",
            "reads 2 MB, pauses 2 s, and so on",
            Link,
            honest::pauses_2s,
        ),
        honest(
            "pauses-20s",
            "pauses for 20 s in a download and resumes",
            Link,
            honest::pauses_20s,
        ),
        honest(
            "tunnel",
            "a lone mobile client vanishes for 12 s and comes back",
            Link,
            honest::tunnel,
        ),
        Scenario {
            networks: honest::SLOW_CLIENTS,
            ..honest(
                "many-slow",
                "24 clients of unrelated networks read 4 to 50 kB/s each",
                Link,
                honest::many_slow,
            )
        },
        honest(
            "half-closed-reader",
            "closes its direction and reads all",
            Link,
            honest::half_closed_reader,
        ),
        honest(
            "download",
            "reads 64 MiB of nginx as fast as it comes",
            Link,
            honest::download,
        ),
        honest(
            "mapped",
            "a socket for both families, IPv4 as IPv4-mapped",
            Link,
            honest::mapped,
        ),
        honest(
            "second-namespace",
            "a server in a second namespace, read fast, then at 300 kB/s",
            SecondServer,
            honest::second_namespace,
        ),
        honest(
            "shrinking-kernel",
            "fast, slow and small readers of a kernel with tcp_shrink_window=1",
            ShrinkingClient,
            honest::shrinking_kernel,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::{Label, scenarios};

    #[test]
    fn there_are_enough_of_each_label_and_names_are_unique() {
        let all = scenarios();
        let is_bad = |label: &Label| matches!(label, Label::Bad { .. });
        let bad = all.iter().filter(|each| is_bad(&each.label)).count();
        assert!(bad >= 14 && all.len() - bad >= 14);
        let mut names: Vec<_> = all.iter().map(|each| each.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        let networks: u32 = all.iter().map(|each| u32::from(each.networks)).sum();
        assert!(networks < 240, "numbers of networks fit a byte");
    }
}
