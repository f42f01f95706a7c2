//! Peers that hold a server. What they do in each step is in the crate of the lab where stories
//! play it too.

use super::Act;
use crate::selftest::stage::Spot;
use anyhow::{Context, Result};
use detector_lab::peers::crafted::{Peer, Policy, Profile};
use detector_lab::{acts, expect};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// More than any peer here takes.
const LONG_ANSWER: &str = "/bytes/20000000";
/// How long the server may take for what it does at once.
const SOON: Duration = Duration::from_secs(10);

/// Also played before the agent is there.
pub(in crate::selftest) fn zero_window(spot: &Spot<'_>) -> Result<Act> {
    let peer = spot.connect(Profile::default())?;
    acts::close_window(&peer)?;
    stalls(spot, peer)
}

/// The condition of a peer that takes nothing any more.
fn stalls(spot: &Spot<'_>, peer: Peer) -> Result<Act> {
    Act::holds(peer.progress_at() + spot.stall_after(), peer)
}

pub(in crate::selftest) fn treason(spot: &Spot<'_>) -> Result<Act> {
    let peer = spot.connect(Profile::default())?;
    acts::retract_to_zero(&peer)?;
    Act::holds(peer.progress_at(), peer)
}

pub(in crate::selftest) fn below_flight(spot: &Spot<'_>) -> Result<Act> {
    let peer = spot.connect(Profile::default())?;
    acts::retract_below_flight(&peer)?;
    Act::holds(peer.progress_at(), peer)
}

/// Two slices, each below the `2^14` bytes that rounding may cost, together above.
pub(in crate::selftest) fn salami(spot: &Spot<'_>) -> Result<Act> {
    const SHIFT: u8 = 14;
    const UNIT: u32 = 1 << SHIFT;
    const UNITS: u32 = 40;
    let peer = spot.connect(Profile::default().shift(SHIFT).window(UNITS * UNIT))?;
    acts::fill_flight(&peer)?;
    peer.policy(Policy::Hold);
    for slice in 1..=2 {
        let acked = u64::from(slice) * 1_400;
        peer.say()
            .ack(acked)
            .window((UNITS - slice) * UNIT)
            .send()?;
    }
    Act::holds(peer.progress_at(), peer)
}

pub(in crate::selftest) fn half_closed(spot: &Spot<'_>) -> Result<Act> {
    let peer = spot.connect(Profile::default())?;
    acts::half_close_and_stop_reading(&peer)?;
    stalls(spot, peer)
}

/// The server closes with the answer in its queue; only then the peer stops reading.
pub(in crate::selftest) fn orphan(spot: &Spot<'_>) -> Result<Act> {
    const EDGE: u32 = 16_384;
    let peer = spot.connect(Profile::default().window(EDGE))?;
    let server = spot.server()?;
    let before = server.closed();
    acts::ask_and_fill_flight(&peer, "/close/200000")?;
    expect::until("the server has closed", SOON, || {
        Ok((server.closed() > before).then_some(()))
    })?;
    peer.policy(Policy::StopReading { edge: EDGE });
    read_up_to(&peer, EDGE)?;
    stalls(spot, peer)
}

/// Acknowledges what has come, with what is left before `edge` as the window.
fn read_up_to(peer: &Peer, edge: u32) -> Result<()> {
    let arrived = u32::try_from(peer.seen().bytes).context("more than 4 GiB have come")?;
    let window = edge.saturating_sub(arrived) >> 7 << 7;
    peer.say().ack(arrived.into()).window(window).send()
}

pub(in crate::selftest) fn teasing(spot: &Spot<'_>) -> Result<Act> {
    let peer = spot.connect(Profile::default())?;
    acts::close_window(&peer)?;
    peer.policy(Policy::Hold);
    let met = peer.progress_at() + spot.stall_after();
    Act::goes_on(met, move || {
        peer.say().window(128).send()?;
        sleep(acts::FULL);
        peer.say().window(0).send()?;
        sleep(acts::FULL);
        Ok(())
    })
}

/// Leaves less than a segment of the window under data in flight, and takes nothing more.
pub(in crate::selftest) fn small_window(spot: &Spot<'_>) -> Result<Act> {
    const LEFT_BYTES: u32 = 1_024;
    let peer = spot.connect(Profile::default())?;
    acts::fill_flight(&peer)?;
    peer.policy(Policy::Hold);
    peer.say().ack(1_400).window(LEFT_BYTES).send()?;
    stalls(spot, peer)
}

pub(in crate::selftest) fn dribble(spot: &Spot<'_>) -> Result<Act> {
    const SIP: u32 = 128;
    let mut edge = 4_096;
    let peer = spot.connect(Profile::default().window(edge))?;
    peer.policy(Policy::StopReading { edge });
    // The answer is larger than its window: from here on that is the limit.
    let met = Instant::now() + spot.dribble_over();
    peer.request(LONG_ANSWER)?;
    peer.wait_closed()?;
    Act::goes_on(met, move || {
        edge += SIP;
        peer.policy(Policy::StopReading { edge });
        read_up_to(&peer, edge)?;
        sleep(Duration::from_secs(1));
        Ok(())
    })
}

/// Two timeouts in a row are silence, and silence is a stall after as long as any other.
pub(in crate::selftest) fn unanswered(spot: &Spot<'_>) -> Result<Act> {
    let peer = spot.connect(Profile::default())?;
    acts::fill_flight(&peer)?;
    let before = peer.seen().retransmits;
    peer.wait_seen("the server sends again", |seen| {
        seen.retransmits >= before + 2
    })?;
    Act::holds(Instant::now() + spot.stall_after(), peer)
}

pub(in crate::selftest) fn tiny_window(spot: &Spot<'_>) -> Result<Act> {
    const WINDOW: u32 = 512;
    let peer = spot.connect(Profile::default().window(WINDOW))?;
    peer.policy(Policy::Hold);
    peer.request(LONG_ANSWER)?;
    peer.wait_bytes(1)?;
    let sip = move || {
        let arrived = peer.seen().bytes;
        peer.say().ack(arrived).window(WINDOW).send()?;
        // A peer that is not in a hurry is enough, and leaves the processor to the others.
        sleep(Duration::from_millis(20));
        Ok(())
    };
    Act::goes_on(Instant::now(), sip)
}

/// Two more than it takes, so that one late stall does not decide.
pub(in crate::selftest) fn hoard(spot: &Spot<'_>) -> Result<Act> {
    let enough = spot.hoard_connections();
    let mut peers = Vec::new();
    for number in 0..u16::try_from(enough + 2)? {
        let peer = spot.connect_another(number, Profile::default())?;
        acts::close_window(&peer)?;
        peers.push(peer);
    }
    let mut since: Vec<Instant> = peers.iter().map(Peer::progress_at).collect();
    since.sort_unstable();
    let last = since.get(enough - 1).context("a hoard of none")?;
    Act::holds(*last + spot.stall_after(), peers)
}
