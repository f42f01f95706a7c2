//! What is sent after a block is dropped at once, by the clock: other stories would take the processor that agent and
//! kernel need for it.

use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::story::Story;
use serde_json::json;
use std::io::{ErrorKind, Write as _};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

both_families!(what_is_sent_after_a_block_is_dropped_at_once);

/// Nothing has arrived for so long: all of it is dropped.
const DROPPED: Duration = Duration::from_millis(700);
/// From the request to the last packet that still got through, in half of the tries: another program may
/// have the processor.
const AT_ONCE: Duration = Duration::from_millis(50);
const TRIES: usize = 9;

fn what_is_sent_after_a_block_is_dropped_at_once(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(
        &format!("block-at-once-{}", family.name()),
        family,
        |story| {
            let agent = Agent::start_in(story.server(), story.folder())?;
            let addresses = story.lab.addresses;
            let server = (addresses.server(family), 0);
            let server = story.server().enter(|| Ok(UdpSocket::bind(server)?))?;
            server.set_read_timeout(Some(DROPPED))?;
            let client = (addresses.client(family), 0);
            let client = story.lab.client.enter(|| Ok(UdpSocket::bind(client)?))?;
            client.connect(server.local_addr()?)?;
            let network = addresses.client(family).to_string();
            let began = Instant::now();
            let is_over = AtomicBool::new(false);
            // Of each datagram that arrives, when it was sent.
            let arrived = || -> Result<Option<Duration>> {
                let mut stamp = [0; 8];
                loop {
                    let stamp = match server.recv(&mut stamp) {
                        Ok(_) => Some(Duration::from_nanos(u64::from_ne_bytes(stamp))),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                        Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                        Err(error) => return Err(error.into()),
                    };
                    return Ok(stamp);
                }
            };
            let mut took = thread::scope(|scope| -> Result<Vec<Duration>> {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let stamp = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                        // Nobody may be there any more.
                        drop(client.send(&stamp.to_ne_bytes()));
                        thread::sleep(Duration::from_micros(200));
                    }
                });
                let tries = (0..TRIES).map(|_| {
                    arrived()?.context("nothing arrives before the block")?;
                    let asked = began.elapsed();
                    let block = json!({"network": network, "for_seconds": 60});
                    let answer = agent.post("/v1/block", &block)?;
                    ensure!(answer.status == 200, "{answer:?}");
                    let mut last = asked;
                    while let Some(sent) = arrived()? {
                        last = last.max(sent);
                        ensure!(began.elapsed() < asked + PATIENCE, "it goes on arriving");
                    }
                    let lifted = agent.post("/v1/unblock", &json!({ "network": network }))?;
                    ensure!(lifted.status == 200, "{lifted:?}");
                    Ok(last - asked)
                });
                let tries = tries.collect();
                is_over.store(true, Ordering::Relaxed);
                tries
            })?;
            took.sort_unstable();
            let (half, slowest) = (took[TRIES / 2], took[TRIES - 1]);
            let told = format!("dropped after {half:?}, the slowest after {slowest:?}");
            writeln!(std::io::stdout(), "{told}")?;
            ensure!(took[TRIES / 2] <= AT_ONCE, "{took:?}");
            Ok(())
        },
    )
}
