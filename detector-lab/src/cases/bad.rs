//! Bad or broken peers. A row says what is played; what is due, whom it looks like, and how it is
//! played.

use super::Place::{Link, SmallBuffers};
use super::Twin::{Case as Like, None as No};
use super::plays::{containers, crafted, hoards, kernel, shared, tools};
use crate::stage::case::{Case, Flag, SeenBy, When, bad};

const fn hook(kind: &'static str) -> Flag {
    Flag {
        kind,
        seen_by: SeenBy::Hook,
        counts: None,
        words: &[],
    }
}

const fn sweep(kind: &'static str) -> Flag {
    Flag {
        seen_by: SeenBy::Sweep,
        ..hook(kind)
    }
}

const fn shrink(counts: &'static str) -> Flag {
    Flag {
        counts: Some(counts),
        ..hook("window-shrink")
    }
}

/// Its checksum is looked at behind the hooks: the next look at the socket shows what became of it.
const SHRINK_IN_DATA: Flag = Flag {
    seen_by: SeenBy::Sweep,
    ..shrink("shrinks_treason")
};

const ZERO_WINDOW: Flag = hook("zero-window-stall");
const HOARD: Flag = hook("stall-hoard");
const DRIBBLE: Flag = sweep("dribble");
const UNANSWERED: Flag = sweep("unanswered");

/// What is due: each of the flags, and one of the verdicts.
type Due = (&'static [Flag], &'static [&'static str]);

const SLOW: &[&str] = &["slow-client"];
const SHRINKS: &[&str] = &["shrinking-peer"];
const STALLS: Due = (&[ZERO_WINDOW], SLOW);
const STALLS_SWEPT: Due = (&[sweep("zero-window-stall")], SLOW);
const TEASES: Due = (&[ZERO_WINDOW], SHRINKS);
const DRIBBLES: Due = (&[DRIBBLE], SLOW);
const LINGERS: Due = (&[UNANSWERED], SLOW);
/// Whether a silent peer or the path to it is gone cannot be told from here.
const SILENT: Due = (&[UNANSWERED], &["vanished", "path-loss"]);
const ATTACKS: Due = (&[ZERO_WINDOW], &["zero-window-attack"]);
const FLOODS: Due = (&[HOARD, ZERO_WINDOW], &["zero-window-attack"]);
/// We opened the connection.
const HOLDS_OURS: Due = (&[OUTBOUND], &["tarpit"]);
const OUTBOUND: Flag = Flag {
    words: &[("direction", "outbound")],
    ..ZERO_WINDOW
};
/// No segment says that the window closes: it never was open.
const FLOODS_SWEPT: Due = (
    &[sweep("stall-hoard"), sweep("zero-window-stall")],
    FLOODS.1,
);
/// A little is read now and then, but the kernel below says so only when there is room again:
/// both names are right.
const SIPS: Due = (&[HOARD], &["slow-read-attack", "zero-window-attack"]);

/// Bad or broken peers with one connection, or a few.
#[rustfmt::skip]
pub(super) static LONE_PEERS: &[Case] = &[
    bad("zero-window", "asks for a long answer and stops reading",
        STALLS, Like("slow-reader"), crafted::zero_window).selftest(),
    bad("treason", "takes its window back to zero with data in flight",
        (&[shrink("shrinks_treason"), ZERO_WINDOW], SHRINKS), Like("short-of-memory"),
        crafted::treason).selftest(),
    bad("treason-in-data", "does so in a segment with 200 bytes of data",
        (&[SHRINK_IN_DATA, ZERO_WINDOW], SHRINKS), Like("unheard"), crafted::treason_in_data).selftest(),
    bad("below-flight", "takes its window back to 2,048 bytes with more than that in flight",
        (&[shrink("shrinks_below_flight")], SHRINKS), Like("short-of-memory"),
        crafted::below_flight).selftest(),
    bad("salami", "with shift 14, retreats six times by less than 2^14 bytes, reads on, again and again",
        (&[shrink("shrinks_polite")], SHRINKS), Like("granularity"), crafted::salami).selftest(),
    bad("no-window", "asks for a long answer and offers no window from the handshake on",
        STALLS_SWEPT, Like("slow-reader"), crafted::no_window).selftest(),
    bad("half-closed", "sends its request with FIN and stops reading: CLOSE_WAIT on our side",
        STALLS_SWEPT, Like("half-closed-reader"), crafted::half_closed).selftest(),
    bad("orphan", "stops reading after the server has closed: FIN_WAIT1, no process",
        STALLS_SWEPT, Like("half-closed-reader"), crafted::orphan).selftest(),
    bad("before-agent", "had stopped reading before the agent; counts from its first sweep",
        STALLS_SWEPT, No("the agent's start is what is played; the peer is that of zero-window"),
        crafted::zero_window).when(When::BeforeAgent).selftest(),
    bad("teasing", "stops reading; opens its window by 128 bytes and closes it, again and again",
        TEASES, Like("reopens"), crafted::teasing).selftest(),
    bad("small-window", "leaves a window open into which the next segment does not fit",
        (&[sweep("small-window-stall")], SLOW), Like("many-slow"), crafted::small_window).selftest(),
    bad("dribble", "reads 300 bytes a second",
        DRIBBLES, Like("many-slow"), crafted::dribble).when(When::First).selftest(),
    bad("unanswered", "reads, and from one moment on answers nothing",
        SILENT, Like("tunnel"), crafted::unanswered).selftest(),
    bad("tiny-window", "never offers more than 400 bytes",
        (&[sweep("tiny-window")], SLOW), Like("many-slow"), crafted::tiny_window).selftest(),
    bad("odd-ports", "the same as zero-window; the server's port is of the range of clients, the peer's is not",
        STALLS, Like("slow-reader"), crafted::odd_ports),
    bad("dribble-kernel", "a kernel with next to no receive buffer reads 100 bytes a second",
        DRIBBLES, Like("many-slow"), kernel::dribbler).on(Link),
    bad("mptcp-stalled", "an MPTCP client reads 1 MB of a download and stops",
        STALLS, Like("mptcp"), kernel::mptcp_stalled).on(Link),
    bad("fruitless", "answers all that is sent, with its window open, and acknowledges none of it",
        LINGERS, Like("loss-10"), crafted::fruitless),
    bad("slow-ack", "acknowledges a byte a second, with its window open",
        LINGERS, Like("loss-10"), crafted::slow_ack),
];

/// Bad peers that add up.
#[rustfmt::skip]
pub(super) static CROWDS: &[Case] = &[
    bad("hoard-address", "30 connections of one address stop reading",
        FLOODS, Like("many-slow"), hoards::of_address).selftest_as("hoard"),
    bad("hoard-renewed", "the same, reset and opened anew each 20 s, before any of them has been held for long",
        FLOODS, Like("renewed-read"), hoards::renewed),
    bad("hoard-no-window", "30 connections of one address offer no window from the handshake on",
        FLOODS_SWEPT, Like("slow-starters"), hoards::without_window),
    bad("hoard-small-window", "30 connections of one address offer 2 KiB from the handshake on and take no more",
        FLOODS, Like("tiny-buffers"), hoards::with_small_window),
    bad("hoard-short", "30 connections of one address leave a window open into which no segment fits",
        (&[sweep("stall-hoard"), sweep("small-window-stall")], ATTACKS.1), Like("tiny-buffers"),
        hoards::stopping_short),
    bad("vanished", "all packets of a client are dropped where it lives, in the middle of a download",
        SILENT, Like("tunnel"), kernel::vanished).on(Link),
    bad("tarpit", "we are the client: three uploads to a server that never reads",
        HOLDS_OURS, Like("pausing-upload"), kernel::tarpit).on(Link),
    bad("hung-backend", "we are the client: our one connection to a backend on port 6443 hangs",
        HOLDS_OURS, Like("odd-client"), kernel::hung_backend).on(Link).selftest_as("outbound"),
    bad("stalled-upload", "we are the client: an upload is read for a while and then no more",
        HOLDS_OURS, Like("pausing-upload"), kernel::stalled_upload).on(Link),
    bad("hoard-network", "36 connections of 12 addresses of one /24 (/48) stop reading, 3 of each address",
        ATTACKS, Like("many-slow"), hoards::of_network),
    bad("hoard-alike", "24 addresses of unrelated networks, one connection each, do the same",
        ATTACKS, Like("many-slow"), hoards::by_likeness).networks(hoards::ALIKE),
    bad("hoard-dribble", "25 connections of one address, each read at 300 bytes a second",
        (&[DRIBBLE, HOARD], &["slow-read-attack"]), Like("many-slow"), hoards::of_dribblers),
    bad("hoard-late-acks", "25 connections of one address offer 300 bytes, and acknowledge what has come once a second",
        (&[DRIBBLE, HOARD], &["slow-read-attack"]), Like("tiny-buffers"), hoards::acknowledged_late),
];

const FLOOD: &str = "30 connections ask for 64 MiB and offer no window any more (as sockstress)";
const SLOW_READ: &str = "slowhttptest -X: 30 connections, 32 bytes read each 5 s";

/// Attacks on real servers, most of them by real tools.
#[rustfmt::skip]
pub(super) static REAL_TOOLS: &[Case] = &[
    bad("sockstress-nginx", FLOOD, FLOODS, Like("download"), hoards::sockstress_nginx),
    bad("sockstress-apache-prefork", FLOOD, FLOODS, Like("download"), hoards::sockstress_prefork),
    bad("sockstress-apache-event", FLOOD, FLOODS, Like("download"), hoards::sockstress_event),
    bad("container-held", "30 paused readers of an nginx whose container has 1 MiB for sockets",
        FLOODS, Like("container-read"), containers::server_held).on(Link),
    bad("slowhttptest-nginx", SLOW_READ, SIPS, Like("curl-200k"), tools::slow_read_nginx).on(Link),
    bad("slowhttptest-apache-prefork", SLOW_READ,
        SIPS, Like("curl-200k"), tools::slow_read_prefork).on(Link),
    bad("slowhttptest-apache-event", SLOW_READ,
        SIPS, Like("curl-200k"), tools::slow_read_event).on(Link),
    bad("curl-1B", "1,000 curl --limit-rate 1B with small buffers at the same time from one address, on nginx",
        (&[HOARD, ZERO_WINDOW], SIPS.1), Like("curl-200k"), tools::curl_one_byte).on(SmallBuffers),
];

/// Accused would be whoever else uses the address; what is held is as loud as an attacker's.
const SPARED: Due = (&[LOUD, ZERO_WINDOW], SLOW);
/// What it is when the hoard has lasted.
const LOUD: Flag = Flag {
    words: &[("severity", "critical"), ("verdict", "slow-client")],
    ..sweep("stall-hoard")
};
/// Nobody hoards alone here, and nobody is accused; what is held together is a warning as it is for attackers.
const SPARED_TOGETHER: Due = (&[LOUD_TOGETHER, ZERO_WINDOW], SLOW);
const LOUD_TOGETHER: Flag = Flag {
    words: &[("severity", "warning"), ("verdict", "slow-client")],
    ..sweep("stall-hoard")
};

/// Addresses that many share, and two of attackers that look so.
#[rustfmt::skip]
pub(super) static SHARED: &[Case] = &[
    bad("balancer-busy", "HAProxy before nginx: 30 of its clients are paused, others are served all the time",
        SPARED, Like("balancer"), shared::balancer_busy).on(Link),
    bad("balancer-attacked", "the same with 60 held connections of an attacker behind it",
        SPARED, Like("balancer"), shared::balancer_attacked).on(Link),
    bad("balancer-night", "HAProxy before nginx: 30 clients were served, now it carries 30 paused readers",
        SPARED, Like("balancer"), shared::balancer_at_night).on(Link),
    bad("cdn", "four edges of a CDN in one network, 7 paused readers and 3 that have read all on each, and a neighbour who is paused",
        SPARED_TOGETHER, Like("cdn-read"), shared::cdn),
    bad("office", "the NAT of an office: 30 paused players, and 3 who download",
        SPARED, Like("office-read"), shared::office).on(Link).selftest_as("shared-address"),
    bad("office-late", "the same whose downloads begin once the players are paused",
        SPARED, Like("office-read"), shared::office_late).on(Link),
    bad("office-paced", "the NAT of an office: 30 paused players, and 3 who download 1.7 MB at once each 8.5 s",
        SPARED, Like("office-read"), shared::office_paced).on(Link),
    bad("provider", "24 addresses of one network with one paused reader each, and 24 others whose readers have read all",
        SPARED_TOGETHER, Like("provider-read"), shared::provider),
    bad("carrier", "3 paused phones each of 8 networks of a carrier, alike, and 12 others of each that have read all: behind one address, of IPv6 each with its own",
        SPARED_TOGETHER, Like("carrier-read"), shared::carrier).networks(shared::CARRIER),
    bad("players", "24 players alike in unrelated networks, paused once each has buffered six windows of the same film",
        (&[ZERO_WINDOW], SLOW), Like("players-on"), hoards::players).networks(hoards::ALIKE),
    bad("hoard-probed", "30 paused readers of one address, and one that reads all of an answer",
        FLOODS, Like("office-read"), shared::probed).on(Link),
    bad("hoard-network-probed", "four addresses of one network with 7 paused readers each, and one reader that has read all",
        ATTACKS, Like("cdn-read"), shared::edges_probed),
];
