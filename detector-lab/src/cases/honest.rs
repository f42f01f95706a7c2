//! Honest peers, of whom nothing is to be said.

use super::Place::{Link, Multipath, SecondServer, Shaped, ShrinkingClient};
use super::plays::{containers, dialogues, hoards, honest, kernel, shared, small, tools};
use crate::stage::case::{Case, When, honest};

/// Those that some bad peer of the selftest looks like.
#[rustfmt::skip]
pub(super) static TWINS: &[Case] = &[
    honest("slow-reader", "reads 200 kB/s, steadily",
        honest::slow_reader).on(Link).noting(&["zero-window-stall"]).selftest(),
    honest("granularity", "its window is rounded to 16 KiB (RFC 7323 appendix F)",
        honest::granularity).selftest(),
    honest("reopens", "its window closes and reopens within a second, again and again",
        honest::reopens).selftest_as("reopening"),
    honest("half-closed-reader", "closes its direction and reads all",
        honest::half_closed_reader).on(Link).selftest(),
    honest("unheard", "reads, beside segments in its name that the kernel drops and that say otherwise",
        honest::unheard).selftest(),
    honest("beyond-window", "the same in segments that end beyond our window, with something unread before them",
        honest::beyond_window).unless(honest::takes_any_end).selftest(),
    honest("keep-alive", "stays connected and idle between two answers of a web server",
        honest::keep_alive).on(Link).selftest(),
    honest("mptcp", "reads 5 MB/s over two subflows, which share one window (RFC 8684 section 3.3.4)",
        honest::mptcp).on(Multipath).networks(2).noting(&["zero-window-stall"]).selftest(),
    honest("shrinking-kernel", "fast, slow and small readers of a kernel with tcp_shrink_window=1",
        honest::shrinking_kernel).on(ShrinkingClient).when(When::Last)
        .noting(&["window-shrink", "zero-window-stall"]).selftest(),
];

/// Honest peers whose connection is odd.
#[rustfmt::skip]
pub(super) static PEERS: &[Case] = &[
    honest("wrk", "wrk at full speed on nginx", tools::wrk).on(Link).when(When::Alone),
    honest("loss-2", "downloads with 2 % of packets lost", honest::loss_2).on(Link),
    honest("loss-10", "downloads with 10 % of packets lost", honest::loss_10).on(Link),
    honest("shaped", "a download over a wire of 8 Mbit/s (tbf)", honest::shaped).on(Shaped),
    honest("server-sent-events", "one short line a second", dialogues::server_sent_events).on(Link),
    honest("web-socket", "idle but for a ping and a message each 15 s",
        dialogues::web_socket).on(Link),
    honest("unread-upload", "sends 48 kB that our own program never reads",
        dialogues::unread_upload).on(Link),
    honest("short-of-memory", "takes its window back to zero once, reopens it 0.5 s later and reads all",
        honest::short_of_memory),
];

const SMALL: &[&str] = &[
    "tiny-window",
    "zero-window-stall",
    "small-window-stall",
    "stall-hoard",
];

/// Of a kernel that is short of memory for the sockets of a container.
const RETRACTS: &[&str] = &[
    "window-shrink",
    "zero-window-stall",
    "small-window-stall",
    "unanswered",
    "stall-hoard",
];

/// Honest peers that read slowly, late or fast.
#[rustfmt::skip]
pub(super) static READERS: &[Case] = &[
    honest("curl-200k", "curl --limit-rate 200k on nginx", tools::curl_200k).on(Link),
    honest("pauses-2s", "reads 2 MB, pauses 2 s, and so on", honest::pauses_2s).on(Link),
    honest("pauses-20s", "pauses for 20 s in a download and resumes", honest::pauses_20s).on(Link),
    honest("odd-client", "a client from port 25 of a server on a high port, paused as a backend that hangs",
        honest::odd_client).on(Link).noting(&["zero-window-stall"]),
    honest("pausing-upload", "we are the client: an upload is read, stops for a while and goes on",
        kernel::pausing_upload).on(Link).noting(&["zero-window-stall"]),
    honest("tunnel", "a browser with six downloads vanishes for 12 s and comes back",
        honest::tunnel).on(Link).noting(&["unanswered"]),
    honest("renewed-read", "30 connections of one address that read all, and are opened anew each 20 s",
        hoards::renewed_and_read),
    honest("many-slow", "24 clients of unrelated networks read 4 to 50 kB/s each",
        honest::many_slow).on(Link).networks(honest::SLOW_CLIENTS),
    honest("download", "reads 64 MiB of nginx as fast as it comes", honest::download).on(Link),
    honest("slow-starters", "24 connections of one address start to read three seconds after they are stalled",
        small::slow_starters).on(Link).noting(&["zero-window-stall", "stall-hoard"]),
    honest("tiny-buffers", "24 connections of one address with the smallest receive buffers, read at 2 kB/s",
        small::tiny_buffers).on(Link).noting(SMALL),
    honest("container-read", "30 readers of 40 kB/s of an nginx whose container has 1 MiB for sockets",
        containers::server_read).on(Link).noting(SMALL),
    honest("container-client", "4 downloads of 40 kB/s into a container that has 256 KiB for sockets: its kernel drops and retracts",
        containers::client_read).on(Link).noting(RETRACTS),
    honest("replica", "a redis replica of a kernel with tcp_shrink_window=1: takes a dump, loads it for 12 s, reads on",
        dialogues::replica).on(ShrinkingClient).noting(&["window-shrink", "zero-window-stall"]),
    honest("retracts", "a small stack that takes back half of its window and reads 20 kB/s",
        small::retracts).noting(&["window-shrink", "tiny-window", "small-window-stall"]),
    honest("lossless", "eight readers of 20 kB each 1 to 80 ms: what is sent again for them was not lost",
        honest::lossless).on(Link).when(When::Alone).lossless(),
    honest("stuck-proxy", "a proxy of ours stops reading: 24 uploads of one address and what its backend sends wait there",
        dialogues::stuck_proxy).on(Link),
    honest("balancer", "HAProxy before nginx: 30 of its clients read 40 kB/s, others are served all the time",
        shared::balancer_read).on(Link),
    honest("cdn-read", "four edges of a CDN in one network, 10 connections that have read all on each",
        shared::cdn_read),
    honest("provider-read", "48 addresses of one network with one reader each, who has read all",
        shared::provider_read),
    honest("carrier-read", "15 phones of each of 8 networks of a carrier, who have all read all: behind one address, of IPv6 each with its own",
        shared::carrier_read).networks(shared::CARRIER),
    honest("players-on", "24 players alike in unrelated networks that play on to the end once each has buffered six windows of the same film",
        hoards::players_on).networks(hoards::ALIKE),
    honest("office-read", "the NAT of an office: 30 players read 40 kB/s, and 3 download",
        shared::office_read).on(Link),
    honest("mapped", "a socket for both families, IPv4 as IPv4-mapped", honest::mapped).on(Link),
    honest("second-namespace", "a server in a second namespace, read fast, then at 300 kB/s",
        honest::second_namespace).on(SecondServer),
];
