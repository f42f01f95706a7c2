//! Honest peers that a hoard that was never read looks like, or one that takes back what it offered:
//! slow to start, with small buffers.

use crate::peers::crafted::Policy;
use crate::stage::Stage;
use anyhow::Result;
use std::time::Duration;

/// As many of one address as make a hoard.
const CROWD: u16 = 24;

/// A crowd of one address that asks, is busy for longer than a stall takes, and then reads steadily.
pub(crate) fn slow_starters(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut clients = Vec::new();
    for _ in 0..CROWD {
        let mut client = stage.kernel(0, server.address(), Some(100_000))?;
        client.request("/bytes/200000000")?;
        clients.push(client);
    }
    stage.shown();
    stage.wait(stage.thresholds().stall_after + Duration::from_secs(3))?;
    let pause = Duration::from_millis(100);
    let _readers: Vec<_> = clients
        .into_iter()
        .map(|client| client.read_slowly(8_000, pause))
        .collect();
    stage.hold();
    Ok(())
}

/// A crowd of one address with the smallest receive buffers that a kernel has, each read at 2 kB/s.
pub(crate) fn tiny_buffers(stage: &Stage) -> Result<()> {
    let server = stage.tiny_server()?;
    let mut readers = Vec::new();
    for _ in 0..CROWD {
        let mut client = stage.kernel(0, server.address(), Some(1_024))?;
        client.request("/bytes/200000000")?;
        readers.push(client.read_slowly(200, Duration::from_millis(100)));
    }
    stage.shown();
    stage.hold();
    Ok(())
}

/// A small stack whose free buffer shrinks and grows: it takes back half of what it offered, also
/// below what is in flight, and reads steadily.
pub(crate) fn retracts(stage: &Stage) -> Result<()> {
    const BUFFER: u32 = 4_000;
    let server = stage.tiny_server()?;
    let mut profile = stage.profile().window(BUFFER).mss(536);
    profile.shift = None;
    let peer = stage.peer(&server, profile)?;
    peer.policy(Policy::Silent);
    peer.request("/bytes/200000000")?;
    let pause = Duration::from_millis(100);
    while stage.pause(pause) {
        let arrived = peer.seen().bytes;
        peer.say().ack(arrived).window(BUFFER).send()?;
        if !stage.pause(pause) {
            break;
        }
        peer.say().ack(arrived).window(BUFFER / 2).send()?;
    }
    Ok(())
}
