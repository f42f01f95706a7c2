//! Honest peers that look like bad ones to whoever looks at one number only.

use super::Act;
use crate::selftest::stage::Spot;
use anyhow::{Context, Result};
use detector_lab::acts;
use detector_lab::peers::crafted::{Peer, Policy, Profile};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How much longer than a stall takes an honest peer is watched.
const MARGIN: Duration = Duration::from_secs(2);

/// A real socket; its kernel holds the window at zero for seconds between two openings.
pub(in crate::selftest) fn slow_reader(spot: &Spot<'_>) -> Result<Act> {
    let mut client = spot.connect_kernel()?;
    client.request("/bytes/20000000")?;
    let reader = client.read_slowly(4_096, Duration::from_millis(20));
    sleep(spot.stall_after() + MARGIN);
    Act::holds(Instant::now(), reader)
}

/// With a scale of 14 each acknowledgement rounds up to 16 KiB away.
pub(in crate::selftest) fn granularity(spot: &Spot<'_>) -> Result<Act> {
    const SHIFT: u8 = 14;
    read_in_gulps(spot, SHIFT, 40 << SHIFT, 3, acts::FULL)
}

pub(in crate::selftest) fn reopening(spot: &Spot<'_>) -> Result<Act> {
    read_in_gulps(spot, 7, 65_280, 8, Duration::from_millis(600))
}

/// Lets the window close `gulps` times, each time opens it by `gulp_bytes` after `pause`, then
/// reads the rest.
fn read_in_gulps(
    spot: &Spot<'_>,
    shift: u8,
    gulp_bytes: u32,
    gulps: u32,
    pause: Duration,
) -> Result<Act> {
    let answer_bytes = u64::from(gulp_bytes) * u64::from(gulps + 1);
    let peer = spot.connect(Profile::default().shift(shift).window(gulp_bytes))?;
    peer.policy(Policy::StopReading { edge: gulp_bytes });
    peer.request(&format!("/bytes/{answer_bytes}"))?;
    for _ in 0..gulps {
        peer.wait_closed()?;
        sleep(pause);
        open_by(&peer, shift, gulp_bytes)?;
    }
    peer.drain(answer_bytes, gulp_bytes)?;
    Act::holds(Instant::now(), peer)
}

fn open_by(peer: &Peer, shift: u8, bytes: u32) -> Result<()> {
    let arrived = u32::try_from(peer.seen().bytes).context("more than 4 GiB have come")?;
    let edge = (arrived + bytes).next_multiple_of(1 << shift);
    peer.policy(Policy::StopReading { edge });
    let window = (edge - arrived) >> shift << shift;
    peer.say().ack(arrived.into()).window(window).send()
}

pub(in crate::selftest) fn half_closed_reader(spot: &Spot<'_>) -> Result<Act> {
    const ANSWER_BYTES: u64 = 500_000;
    let peer = spot.connect(Profile::default())?;
    let request = format!("GET /bytes/{ANSWER_BYTES} HTTP/1.1\r\nHost: server\r\n\r\n");
    peer.say().payload(request.as_bytes()).fin().send()?;
    acts::read_rest(&peer, ANSWER_BYTES)?;
    Act::holds(Instant::now(), peer)
}

pub(in crate::selftest) fn keep_alive(spot: &Spot<'_>) -> Result<Act> {
    let peer = spot.connect(Profile::default())?;
    acts::read_all(&peer, 100_000)?;
    sleep(spot.stall_after() + MARGIN);
    Act::holds(Instant::now(), peer)
}

/// Some downloads one after the other, as fast as they go.
pub(in crate::selftest) fn shrinking_kernel(spot: &Spot<'_>) -> Result<Act> {
    const DOWNLOAD_BYTES: usize = 4_000_000;
    if !spot.let_kernel_shrink()? {
        return Ok(Act::NotHere("it has no net.ipv4.tcp_shrink_window"));
    }
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = spot.connect_kernel()?;
        client.request(&format!("/bytes/{DOWNLOAD_BYTES}"))?;
        client.read(DOWNLOAD_BYTES)?;
        clients.push(client);
    }
    Act::holds(Instant::now(), clients)
}
