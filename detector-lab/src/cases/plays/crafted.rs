//! Bad or broken peers of one connection, crafted.

use crate::acts;
use crate::peers::crafted::{Peer, Policy, Profile};
use crate::servers::TinyServer;
use crate::stage::Stage;
use anyhow::Result;
use std::time::{Duration, Instant};

pub(crate) fn treason(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    acts::retract_to_zero(&peer)?;
    stage.note_due("window-shrink", &peer, peer.progress_at());
    stage.note_stall("zero-window-stall", &peer);
    stage.hold();
    Ok(())
}

/// The same in a segment with data.
pub(crate) fn treason_in_data(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    acts::retract_to_zero_in_data(&peer)?;
    stage.note_due("window-shrink", &peer, peer.progress_at());
    stage.note_stall("zero-window-stall", &peer);
    stage.hold();
    Ok(())
}

pub(crate) fn below_flight(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    acts::retract_below_flight(&peer)?;
    stage.note_due("window-shrink", &peer, peer.progress_at());
    stage.hold();
    Ok(())
}

pub(crate) fn salami(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let profile = stage.profile().shift(acts::SLICE_SHIFT);
    let peer = stage.peer(&server, profile.window(acts::SLICED_WINDOW))?;
    peer.request("/bytes/200000000")?;
    let mut is_first = true;
    let mut taken = 0;
    loop {
        let arrived = peer.wait_quiet(acts::FULL)?;
        let slices = if arrived < taken + 6_000 { 0 } else { 6_u32 };
        for number in 1..=slices {
            let at = Instant::now();
            acts::take_slice(&peer, number, taken + u64::from(number * 1_000))?;
            // The first slice is honest rounding; the second makes the sum a shrink.
            if is_first && number == 2 {
                stage.note_due("window-shrink", &peer, at);
            }
            if !stage.pause(Duration::from_millis(20)) {
                return Ok(());
            }
        }
        is_first &= slices == 0;
        if !stage.pause(Duration::from_millis(700)) {
            return Ok(());
        }
        // Takes more for a while, and then no more of it.
        peer.drain(peer.seen().bytes + 100_000, acts::SLICED_WINDOW)?;
        peer.policy(Policy::Silent);
        taken = peer.seen().bytes;
    }
}

pub(crate) fn zero_window(stage: &Stage) -> Result<()> {
    stall(stage, acts::close_window)
}

pub(crate) fn half_closed(stage: &Stage) -> Result<()> {
    stall(stage, acts::half_close_and_stop_reading)
}

/// No segment says that its window closes: it never was open.
pub(crate) fn no_window(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile().window(0))?;
    peer.policy(Policy::StopReading { edge: 0 });
    peer.request(acts::LONG_ANSWER)?;
    peer.wait_closed()?;
    stage.note_stall("zero-window-stall", &peer);
    stage.hold();
    Ok(())
}

/// One peer that takes nothing more after `act`.
fn stall(stage: &Stage, act: fn(&Peer) -> Result<()>) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    act(&peer)?;
    stage.note_stall("zero-window-stall", &peer);
    stage.hold();
    Ok(())
}

/// The same on a port that could as well be a client's, from one that could be a server's.
pub(crate) fn odd_ports(stage: &Stage) -> Result<()> {
    let server = TinyServer::start(stage.servers()?, stage.server_ip())?;
    let peer = stage.crafted((0, 2, 4_001), server.address(), stage.profile())?;
    acts::close_window(&peer)?;
    stage.note_stall("zero-window-stall", &peer);
    stage.hold();
    Ok(())
}

pub(crate) fn teasing(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    acts::close_window(&peer)?;
    stage.note_stall("zero-window-stall", &peer);
    while stage.pause(Duration::from_millis(700)) {
        acts::tease(&peer)?;
    }
    Ok(())
}

pub(crate) fn orphan(stage: &Stage) -> Result<()> {
    const EDGE: u32 = 16_384;
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile().window(EDGE))?;
    acts::make_orphan(&peer, &server)?;
    acts::read_up_to(&peer, EDGE)?;
    peer.wait_closed()?;
    stage.note_stall("zero-window-stall", &peer);
    stage.hold();
    Ok(())
}

/// A right edge that leaves room for half a segment or so behind `segments` of them, whether or not
/// a short head travels in a segment of its own: connections that ask for it stall alike.
pub(super) fn uneven_edge(profile: Profile, segments: u32) -> u32 {
    (700 + segments * profile.payload_bytes()) >> 7 << 7
}

pub(crate) fn small_window(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let profile = stage.profile();
    let segment = profile.payload_bytes();
    let edge = uneven_edge(profile, 8);
    let peer = stage.peer(&server, profile.window(edge))?;
    peer.policy(Policy::StopShort {
        edge,
        room: segment,
    });
    peer.request(acts::LONG_ANSWER)?;
    peer.wait_bytes((8 * segment).into())?;
    peer.wait_quiet(acts::FULL)?;
    stage.note_stall("small-window-stall", &peer);
    stage.hold();
    Ok(())
}

/// Reads as fast as it offers, but never offers more than a few hundred bytes.
pub(crate) fn tiny_window(stage: &Stage) -> Result<()> {
    const WINDOW: u32 = 400;
    let server = stage.tiny_server()?;
    let mut profile = stage.profile().window(WINDOW);
    profile.shift = None;
    let peer = stage.peer(&server, profile)?;
    peer.policy(Policy::Silent);
    let at = Instant::now();
    peer.request(acts::LONG_ANSWER)?;
    stage.note_due("tiny-window", &peer, at);
    while stage.pause(Duration::from_millis(100)) {
        peer.say().ack(peer.seen().bytes).window(WINDOW).send()?;
    }
    Ok(())
}

/// A reader of 300 bytes a second: a segment fits each two seconds, also where the machine is busy.
pub(crate) fn dribble(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut reader = Dribbler::ask(stage, 40_001, &server)?;
    while stage.pause(Dribbler::PACE) {
        reader.read()?;
    }
    Ok(())
}

/// A crafted peer with a small buffer out of which little is read.
pub(super) struct Dribbler {
    peer: Peer,
    edge: u32,
}

impl Dribbler {
    pub(super) const PACE: Duration = Duration::from_secs(1);
    const BYTES_A_PACE: u32 = 300;
    const BUFFER: u32 = 1_200;

    /// Without scaling, so that a window can be said to the byte. It is the limit at once.
    pub(super) fn ask(stage: &Stage, port: u16, server: &TinyServer) -> Result<Self> {
        let mut profile = stage.profile().window(Self::BUFFER).mss(536);
        profile.shift = None;
        let peer = stage.crafted((0, 2, port), server.address(), profile)?;
        peer.policy(Policy::StopReading { edge: Self::BUFFER });
        peer.request(acts::LONG_ANSWER)?;
        let due = Instant::now() + stage.thresholds().dribble_over;
        stage.note_due("dribble", &peer, due);
        let edge = Self::BUFFER;
        Ok(Self { peer, edge })
    }

    /// Takes a little out of the buffer and says so.
    pub(super) fn read(&mut self) -> Result<()> {
        self.edge += Self::BYTES_A_PACE;
        // What arrives while the script speaks is acknowledged at the next pace.
        self.peer.policy(Policy::Silent);
        let arrived = self.peer.seen().bytes;
        let window = self.edge.saturating_sub(u32::try_from(arrived)?);
        self.peer.say().ack(arrived).window(window).send()?;
        self.peer.policy(Policy::StopReading { edge: self.edge });
        Ok(())
    }
}

/// Answers each segment with the acknowledgement of before, and leaves its window open.
pub(crate) fn fruitless(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    acts::fill_flight(&peer)?;
    peer.policy(Policy::Hold);
    peer.say().ack(1_000).send()?;
    stage.hold();
    Ok(())
}

/// Acknowledges one byte a second, with its window open.
pub(crate) fn slow_ack(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    let in_flight = acts::fill_flight(&peer)?;
    peer.policy(Policy::Silent);
    let mut acked = in_flight - 8_000;
    while stage.pause(Duration::from_secs(1)) {
        acked += 1;
        peer.say().ack(acked).send()?;
    }
    Ok(())
}

/// Reads, and from one moment on answers nothing.
pub(crate) fn unanswered(stage: &Stage) -> Result<()> {
    /// Shortest retransmission timeout; what comes sooner is a tail loss probe.
    const LEAST_TIMEOUT: Duration = Duration::from_millis(190);
    let server = stage.tiny_server()?;
    let peer = stage.peer(&server, stage.profile())?;
    peer.request(acts::LONG_ANSWER)?;
    peer.drain(100_000, 65_280)?;
    peer.policy(Policy::Silent);
    let before = peer.seen().retransmits;
    let mut last = Instant::now();
    let mut timeouts = 0;
    for number in 1.. {
        peer.wait_seen("a retransmit", |seen| seen.retransmits >= before + number)?;
        timeouts += u32::from(last.elapsed() >= LEAST_TIMEOUT);
        last = Instant::now();
        // The second timeout in a row shows the silence.
        if timeouts == 2 {
            break;
        }
    }
    stage.note_due("unanswered", &peer, last + stage.thresholds().stall_after);
    stage.hold();
    Ok(())
}
