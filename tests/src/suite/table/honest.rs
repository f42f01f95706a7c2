//! Honest peers, of whom nothing is to be said.

use crate::suite::plays::{honest, tools};
use crate::suite::scenario::{Act, Label, Place, Scenario};

const fn honest(
    name: &'static str,
    plot: &'static str,
    place: Place,
    play: fn(&crate::suite::stage::Stage) -> anyhow::Result<()>,
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

/// Honest peers whose connection is odd.
pub(super) fn peers() -> [Scenario; 10] {
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
pub(super) fn readers() -> [Scenario; 10] {
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
