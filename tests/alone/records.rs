//! What an honest download is to the agent: nothing that it would lose a record of. Its counts are of all that
//! it sees, so that segments of other stories must not be among it.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::Agent;
use detector_tests::lab::Family;
use detector_tests::story::Story;

both_families!(a_finished_download_loses_no_record);

fn a_finished_download_loses_no_record(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play(&format!("records-{}", family.name()), family, |story| {
        let agent = Agent::start_beside_readers(story.folder())?;
        let _ended = story.finish_download()?;
        agent.wait_sweeps(2)?;
        let status = agent.status()?;
        let lost = status["records"]["lost"].as_object();
        let lost = lost.with_context(|| format!("no records lost in {status}"))?;
        // Runs that the kernel left out are of programs that were interrupted on a busy processor, for whatever segment.
        let lost = lost.iter().filter(|(stage, _)| *stage != "recursion");
        let lost: Vec<_> = lost.filter(|(_, count)| **count != 0).collect();
        ensure!(lost.is_empty(), "an honest download lost records: {lost:?}");
        Ok(())
    })
}
