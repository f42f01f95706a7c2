//! Every labelled scenario once, in both families: each bad peer is found and named, no honest one
//! is accused. `cargo xtask scenarios` plays them more often and asks how fast, too.

use anyhow::{Result, ensure};
use detector_tests::story;
use detector_tests::suite;
use std::path::Path;

/// Peers of other stories that behave alike would be one crowd with those of the scenarios.
#[test]
fn every_labelled_scenario_is_judged_right() -> Result<()> {
    let _machine = crate::machine();
    story::in_folder("labelled", |folder| {
        let report = suite::play(
            folder,
            Path::new(env!("CARGO_BIN_EXE_play")),
            None,
            1,
            &mut |_| {},
        )?;
        let wrongs = report.misjudged();
        ensure!(wrongs.is_empty(), "misjudged:\n{}", wrongs.join("\n"));
        Ok(())
    })
}
