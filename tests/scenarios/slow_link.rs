//! Slow is not bad: a download over a shaped link is not mentioned, and a client that reads little
//! but steadily is nothing to warn about, however long its window stays closed.

use crate::stage::{CraftedStage, both_families, expect_unblamed, suffix};
use anyhow::{Result, ensure};
use detector_tests::agent::Agent;
use detector_tests::lab::{Family, Lab, limit_rate};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;

both_families!(shaped_link_is_not_mentioned, steady_reader_is_no_warning);

fn shaped_link_is_not_mentioned(family: Family) -> Result<()> {
    Story::play(&suffix("shaped", family), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        limit_rate(story.server(), Lab::LINK, "8mbit")?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/2000000")?;
        client.read(2_000_000)?;
        expect_unblamed(&agent, client.address()?.ip())
    })
}

fn steady_reader_is_no_warning(family: Family) -> Result<()> {
    Story::play(&suffix("steady", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play("slow-reader")?;
        let peer = story.lab.addresses.client(family);
        // Five times as long as a stall takes to be called one.
        agent.wait_sweeps(5)?;
        let flags = agent.flags(peer)?;
        ensure!(
            flags
                .iter()
                .all(|flag| flag.severity == "info" && flag.kind != "window-shrink"),
            "a steady reader is accused: {flags:?}"
        );
        let verdict = agent.peer(peer)?.and_then(|seen| seen.verdict);
        ensure!(
            verdict
                .as_deref()
                .is_none_or(|said| said == "slow-client" || said == "benign"),
            "a steady reader is called {verdict:?}"
        );
        Ok(())
    })
}
