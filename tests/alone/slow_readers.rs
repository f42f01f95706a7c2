//! Readers that are slow on a link that loses nothing: what is sent again for them is a tail probe, and they report it
//! back as received twice. Where an acknowledgement waits for a processor until the timer fires, the kernel takes
//! that for a loss, so that no other story may have the processor.

use anyhow::{Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, PeerView};
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use std::time::Duration;

both_families!(they_lose_nothing);

fn they_lose_nothing(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(
        &format!("slow-readers-{}", family.name()),
        family,
        |story| {
            let agent = Agent::start(story.folder())?;
            let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
            let peer = story.lab.addresses.client(family);
            let pauses = [1, 2, 5, 10, 20, 30, 50, 80].map(Duration::from_millis);
            let mut readers = Vec::new();
            for pause in pauses {
                let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
                client.request("/bytes/1000000000")?;
                readers.push(client.read_slowly(20_000, pause));
            }
            let has_probed =
                |seen: &PeerView| seen.retransmits.tail_probe >= 5 && seen.retransmits_needless > 0;
            let seen = agent.wait_peer(peer, "tail probes", PATIENCE, has_probed)?;
            ensure!(seen.retransmits.loss == 0, "{seen:?}");
            ensure!(
                seen.retransmits_needless <= seen.retransmits.tail_probe,
                "{seen:?}"
            );
            let metrics = agent.metrics()?;
            let needless = metrics.value("detector_retransmits_needless_total", &[])?;
            ensure!(needless > 0.0, "{}", metrics.text());
            Ok(())
        },
    )
}
