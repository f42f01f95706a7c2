//! Honest peers: slow, paused, far away, idle, short of memory.

use crate::acts;
use crate::network::SegmentCounts;
use crate::peers::KernelPeer;
use crate::peers::crafted::{Peer, Policy};
use crate::servers::TinyServer;
use crate::stage::{Stage, lose_incoming, set_gone};
use anyhow::{Result, ensure};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// How much longer than a stall takes an honest peer has to go unmentioned.
const MARGIN: Duration = Duration::from_secs(2);

/// Reads, pauses for two seconds, reads on, again and again.
pub(crate) fn pauses_2s(stage: &Stage) -> Result<()> {
    let (_server, mut client) = stage.download("/bytes/200000000", None)?;
    while stage.pause(Duration::from_secs(2)) {
        client.read(2_000_000)?;
    }
    Ok(())
}

/// Reads, pauses for twenty seconds, reads on.
pub(crate) fn pauses_20s(stage: &Stage) -> Result<()> {
    let (_server, mut client) = stage.download("/bytes/60000000", None)?;
    client.read(10_000_000)?;
    stage.wait(Duration::from_secs(20))?;
    client.read(10_000_000)?;
    let _reader = client.read_slowly(65_536, Duration::from_millis(10));
    stage.hold();
    Ok(())
}

/// A paused reader with the ports of a server, of a server with the port of a client.
pub(crate) fn odd_client(stage: &Stage) -> Result<()> {
    let server =
        TinyServer::start_on(stage.servers()?, SocketAddr::new(stage.server_ip(), 45_000))?;
    let source = SocketAddr::new(stage.peer_ip(), 25);
    let mut client =
        KernelPeer::connect_with(stage.clients()?, Some(source), server.address(), None)?;
    client.request(acts::LONG_ANSWER)?;
    stage.hold();
    Ok(())
}

pub(crate) fn loss_2(stage: &Stage) -> Result<()> {
    lossy(stage, 2, 4_000_000)
}

pub(crate) fn loss_10(stage: &Stage) -> Result<()> {
    lossy(stage, 10, 300_000)
}

fn lossy(stage: &Stage, percent: u8, bytes: usize) -> Result<()> {
    let server = stage.tiny_server()?;
    lose_incoming(stage.clients()?, stage.peer_ip(), percent)?;
    loop {
        let mut client = stage.kernel(0, server.address(), None)?;
        client.request(&format!("/bytes/{bytes}"))?;
        client.read(bytes)?;
        if !stage.pause(Duration::from_secs(1)) {
            return Ok(());
        }
    }
}

/// One long download over a wire of 8 Mbit/s.
pub(crate) fn shaped(stage: &Stage) -> Result<()> {
    let (_server, mut client) = stage.download("/bytes/200000000", None)?;
    while stage.pause(Duration::ZERO) {
        client.read(500_000)?;
    }
    Ok(())
}

/// A real socket read at 200 kB/s; its kernel holds the window at zero for seconds between two
/// openings.
pub(crate) fn slow_reader(stage: &Stage) -> Result<()> {
    let (_server, client) = stage.download(acts::LONG_ANSWER, None)?;
    let _reader = client.read_slowly(4_096, Duration::from_millis(20));
    show_long_enough(stage);
    Ok(())
}

/// Lasts longer than a stall takes, to the end.
fn show_long_enough(stage: &Stage) {
    if stage.pause(stage.thresholds().stall_after + MARGIN) {
        stage.shown();
        stage.hold();
    }
}

/// Reads, while segments in its name that the kernel drops take its window back to zero, with data in
/// flight, and claim to have got all.
pub(crate) fn unheard(stage: &Stage) -> Result<()> {
    beside_lies(stage, |peer, arrived| {
        acts::say_unheard(peer, arrived - OLDER_BYTES, 0)?;
        acts::say_unheard(peer, arrived, 0)
    })
}

/// The same in segments that end beyond the server's window.
pub(crate) fn beyond_window(stage: &Stage) -> Result<()> {
    beside_lies(stage, |peer, arrived| {
        peer.send(b"x")?;
        acts::say_beyond_window(peer, arrived - OLDER_BYTES, 0)
    })
}

/// Whether this kernel takes such a segment.
pub(crate) fn takes_any_end() -> Option<&'static str> {
    let counts = SegmentCounts::here().ok()?;
    let is_taken = counts.beyond_window.is_none();
    is_taken.then_some("it takes segments that end beyond its window")
}

/// Lies acknowledge so much less than has arrived.
const OLDER_BYTES: u64 = 10_000;

fn beside_lies(stage: &Stage, lie: fn(&Peer, u64) -> Result<()>) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    // The server does not read what comes behind its question as long as it has to answer.
    peer.request("/bytes/2000000000")?;
    // On a busy machine there may be silence before that.
    peer.wait_bytes(OLDER_BYTES)?;
    let begun = Instant::now();
    while stage.pause(Duration::from_millis(300)) {
        peer.policy(Policy::Silent);
        let arrived = peer.wait_quiet(acts::FULL)?;
        lie(&peer, arrived)?;
        peer.drain(arrived + 100_000, 65_280)?;
        if begun.elapsed() > stage.thresholds().stall_after + MARGIN {
            stage.shown();
        }
    }
    Ok(())
}

/// A browser's connection to a web server: one answer, a minute of nothing, one more.
pub(crate) fn keep_alive(stage: &Stage) -> Result<()> {
    let (server, _guard) = stage.web_server()?;
    let mut client = stage.kernel(0, server, None)?;
    let request = b"GET /small HTTP/1.1\r\nHost: server\r\n\r\n";
    client.send(request)?;
    client.read(1_000)?;
    show_long_enough(stage);
    client.send(request)?;
    client.read(1_000)
}

/// Over a socket that listens for both families: IPv4 peers have mapped addresses there.
pub(crate) fn mapped(stage: &Stage) -> Result<()> {
    let anywhere = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let server = TinyServer::start(stage.servers()?, anywhere)?;
    let mut client = stage.kernel(0, server.at(stage.server_ip()), None)?;
    client.request("/bytes/400000000")?;
    while stage.pause(Duration::from_secs(1)) {
        client.read(1_000_000)?;
    }
    Ok(())
}

/// Served from a second namespace, read fast, then slowly.
pub(crate) fn second_namespace(stage: &Stage) -> Result<()> {
    let (_server, mut client) = stage.download("/bytes/200000000", None)?;
    client.read(20_000_000)?;
    let _reader = client.read_slowly(65_536, Duration::from_millis(200));
    stage.hold();
    Ok(())
}

/// Clients of a kernel that may shrink windows: one reads fast, one slowly, one with a small
/// buffer.
pub(crate) fn shrinking_kernel(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut slow = stage.kernel(0, server.address(), None)?;
    slow.request("/bytes/200000000")?;
    let mut small = stage.kernel(0, server.address(), Some(16_384))?;
    small.request("/bytes/200000000")?;
    let _slow = slow.read_slowly(16_384, Duration::from_millis(100));
    let _small = small.read_slowly(4_096, Duration::from_millis(50));
    while stage.pause(Duration::from_secs(1)) {
        let mut fast = stage.kernel(0, server.address(), None)?;
        fast.request("/bytes/5000000")?;
        fast.read(5_000_000)?;
        stage.shown();
    }
    Ok(())
}

/// A receiver whose buffer fills up, and that reads on within a second, each time.
pub(crate) fn reopens(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    let mut edge = 65_280;
    peer.policy(Policy::StopReading { edge });
    peer.request("/bytes/20000000")?;
    for round in 1.. {
        peer.wait_bytes(u64::from(edge) - 1_460)?;
        // The rest, which no segment fits into, goes with a probe: where machine and timers are slow, not
        // before there is room again.
        if !stage.pause(Duration::from_millis(800)) {
            return Ok(());
        }
        acts::read_up_to(&peer, edge + 65_280)?;
        edge += 65_280;
        // Longer than a stall takes, all together.
        if round == 8 {
            stage.shown();
        }
    }
    Ok(())
}

/// A receiver that runs out of memory once: it takes its window back to zero with data in flight,
/// reopens it half a second later and reads everything.
pub(crate) fn short_of_memory(stage: &Stage) -> Result<()> {
    const BYTES: u64 = 1_000_000;
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    acts::ask_and_fill_flight(&peer, &format!("/bytes/{BYTES}"))?;
    peer.policy(Policy::Hold);
    peer.say().ack(1_000).window(0).send()?;
    stage.wait(Duration::from_millis(500))?;
    acts::read_rest(&peer, BYTES)?;
    stage.hold();
    Ok(())
}

/// A receiver whose window is rounded down to 16 KiB steps (RFC 7323 appendix F).
pub(crate) fn granularity(stage: &Stage) -> Result<()> {
    const SHIFT: u8 = 14;
    const BUFFER: u32 = 40 << SHIFT;
    let server = stage.tiny_server()?;
    let profile = stage.profile().shift(SHIFT).window(BUFFER);
    let peer = stage.peer(&server, profile)?;
    let mut edge = BUFFER;
    peer.policy(Policy::StopReading { edge });
    peer.request("/bytes/200000000")?;
    for round in 1.. {
        if !stage.pause(Duration::from_millis(500)) {
            break;
        }
        // Reads what came, in one go; the edge moves on from where it was.
        let arrived = u32::try_from(peer.seen().bytes)?;
        edge = arrived + BUFFER;
        peer.policy(Policy::StopReading { edge });
        peer.say().ack(arrived.into()).window(BUFFER).send()?;
        if round == 3 {
            stage.shown();
        }
    }
    Ok(())
}

/// Connections that a browser opens to one host.
const OF_A_BROWSER: usize = 6;

/// A browser in a tunnel: everything is lost for a while, then its downloads go on.
pub(crate) fn tunnel(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut readers = Vec::new();
    for _ in 0..OF_A_BROWSER {
        let mut client = stage.kernel(0, server.address(), None)?;
        client.request("/bytes/2000000000")?;
        client.read(1_000_000)?;
        readers.push(client.read_slowly(65_536, Duration::from_millis(5)));
    }
    let address = stage.peer_ip();
    stage.wait(Duration::from_secs(2))?;
    set_gone(stage.clients()?, address, true)?;
    stage.wait(Duration::from_secs(12))?;
    set_gone(stage.clients()?, address, false)?;
    stage.hold();
    Ok(())
}

/// Reads slowly over two subflows, which share one window: the edge of each moves left.
pub(crate) fn mptcp(stage: &Stage) -> Result<()> {
    let server = stage.mptcp_server()?;
    stage.add_path()?;
    let mut client = stage.mptcp_client(&server)?;
    client.request("/bytes/2000000000")?;
    let _reader = client.read_slowly(20_000, Duration::from_millis(4));
    show_long_enough(stage);
    Ok(())
}

/// Readers that a lossless link draws loss probes for. Alone: where an acknowledgement has to wait for a
/// processor until the timer fires, the kernel counts a loss.
pub(crate) fn lossless(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut readers = Vec::new();
    for pause in [1, 2, 5, 10, 20, 30, 50, 80] {
        let mut client = stage.kernel(0, server.address(), None)?;
        client.request("/bytes/2000000000")?;
        readers.push(client.read_slowly(20_000, Duration::from_millis(pause)));
    }
    stage.pause(Duration::from_secs(8));
    Ok(())
}

/// How many networks [`many_slow`] needs.
pub(crate) const SLOW_CLIENTS: u8 = 24;

/// Slow clients of unrelated networks at the same time, each at a pace of its own: 4 to 50
/// kilobytes a second.
pub(crate) fn many_slow(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut readers = Vec::new();
    for number in 0..SLOW_CLIENTS {
        let buffer = (number % 3 == 1).then(|| 20_000 + 3_000 * usize::from(number));
        let mut client = stage.kernel(number, server.address(), buffer)?;
        client.request("/bytes/200000000")?;
        let bytes = 400 + 200 * usize::from(number);
        readers.push(client.read_slowly(bytes, Duration::from_millis(100)));
        stage.wait(Duration::from_millis(70))?;
    }
    stage.hold();
    Ok(())
}

/// Says that it has nothing more to say and reads everything.
pub(crate) fn half_closed_reader(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    loop {
        let mut client = stage.kernel(0, server.address(), None)?;
        client.request("/close/3000000")?;
        client.shutdown_write()?;
        let bytes = client.read_to_end()?;
        ensure!(bytes > 3_000_000, "{bytes} bytes came");
        stage.shown();
        if !stage.pause(Duration::from_secs(2)) {
            return Ok(());
        }
    }
}

/// Downloads the large file from nginx as fast as it comes.
pub(crate) fn download(stage: &Stage) -> Result<()> {
    loop {
        let mut client = stage.kernel(0, stage.nginx()?, None)?;
        client.request("/large")?;
        client.read_to_end()?;
        if !stage.pause(Duration::from_secs(5)) {
            return Ok(());
        }
    }
}
