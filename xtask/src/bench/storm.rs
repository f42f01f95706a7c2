//! Crafted peers in numbers, from the lab: see `detector-lab/examples/storm`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::stage::{SERVER, Stage};
use crate::background::Background;

/// A million peers may come and go before it is ready.
const PATIENCE: Duration = Duration::from_secs(900);

/// Peers at work, until it is dropped.
pub(super) struct Storm {
    running: Background,
    said: PathBuf,
}

/// What was sent in the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) segments: u64,
    pub(super) shrinks: u64,
    pub(super) episodes: u64,
}

impl Sent {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            segments: self.segments + other.segments,
            shrinks: self.shrinks + other.shrinks,
            episodes: self.episodes + other.episodes,
        }
    }
}

/// A device for peers, and the network they are in.
#[derive(Clone, Copy)]
pub(super) struct Site {
    device: &'static str,
    network: &'static str,
    niceness: &'static str,
}

/// How the addresses of both begin.
pub(super) const NETWORKS: &str = "10.";

/// Where floods come from, and where the connections come from that show how soon a flag is raised.
pub(super) const FLOOD: Site = Site {
    device: "flood",
    network: "10.0.0.0",
    niceness: "0",
};
pub(super) const PROBE: Site = Site {
    device: "probe",
    network: "10.128.0.0",
    // So that little lies between its stamp and its segment.
    niceness: "-19",
};

impl Storm {
    /// Starts it in the server's namespace; comes back once it says that it is ready.
    pub(super) fn start(stage: &Stage, examples: &Path, site: Site, mode: &[&str]) -> Result<Self> {
        let said = stage.scratch.path.join(format!("{}.txt", site.device));
        let (running, _) = Background::start_until_ready_within(
            stage
                .server
                .command("nice")
                .args(["-n", site.niceness])
                .arg(examples.join("storm"))
                .arg(&said)
                .args([site.device, site.network])
                .arg(format!("{SERVER}:8080"))
                .args(mode),
            PATIENCE,
        )?;
        Ok(Self { running, said })
    }

    /// Ends it; what it has sent, and all lines it wrote.
    pub(super) fn finish(self) -> Result<(Sent, String)> {
        self.running.finish()?;
        let file = self.said.display();
        let said = fs::read_to_string(&self.said).with_context(|| format!("cannot read {file}"))?;
        let number = |name: &str| {
            let value = said.lines().find_map(|line| line.strip_prefix(name));
            let value = value.and_then(|value| value.trim().parse().ok());
            value.with_context(|| format!("no {name} in {file}"))
        };
        let sent = Sent {
            segments: number("segments ")?,
            shrinks: number("shrinks ")?,
            episodes: number("episodes ")?,
        };
        Ok((sent, said))
    }
}
