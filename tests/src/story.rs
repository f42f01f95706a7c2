//! The frame of every story: a folder and a lab of its own, kept for study when it fails.

use crate::lab::{Capture, Family, Lab, Namespace};
use crate::peers::KernelPeer;
use crate::servers::{Nginx, NginxSettings};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static STORIES: AtomicU32 = AtomicU32::new(0);

/// A story being played.
#[derive(Debug)]
pub struct Story {
    /// Namespaces, links, addresses.
    pub lab: Lab,
    /// IP version it is played over.
    pub family: Family,
    folder: Folder,
}

impl Story {
    /// An honest client takes a large answer of a real nginx to the end: both of them, still there.
    pub fn finish_download(&self) -> Result<(Nginx, KernelPeer)> {
        let settings = NginxSettings::default();
        let least = settings.large_bytes;
        let web = self.lab.addresses.server(self.family);
        let nginx = Nginx::start(self.server(), web, self.folder(), settings)?;
        let mut client = KernelPeer::connect(&self.lab.client, nginx.address())?;
        client.request("/large")?;
        let bytes = client.read_to_end()?;
        ensure!(bytes > least, "{bytes} bytes came");
        Ok((nginx, client))
    }

    /// Plays `body` in a lab of its own.
    ///
    /// On failure, also by panic, the folder with captures and logs stays and its path is printed.
    pub fn play(
        name: &str,
        family: Family,
        body: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        Self::play_in(Lab::build()?, name, family, body)
    }

    /// The same where the clients are on another host than the servers.
    pub fn play_between_hosts(
        name: &str,
        family: Family,
        body: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        Self::play_in(Lab::build_between_hosts()?, name, family, body)
    }

    fn play_in(
        lab: Lab,
        name: &str,
        family: Family,
        body: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let mut story = Self {
            lab,
            family,
            folder: Folder::create(name).context("story folder")?,
        };
        body(&mut story)?;
        story.folder.is_wanted = false;
        Ok(())
    }

    /// Where captures, logs and the agent's state of this story lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Starts a capture on the link, at the server's end.
    pub fn capture_link(&self) -> Result<Capture> {
        let client = self.lab.addresses.client(Family::V4);
        Capture::start(&self.lab.server, Lab::LINK, client, self.folder())
    }

    /// Starts a capture on the TUN device.
    pub fn capture_tun(&self) -> Result<Capture> {
        let peer = self.lab.addresses.crafted(Family::V4, 0);
        Capture::start(&self.lab.server, Lab::TUN, peer, self.folder())
    }

    /// The namespace of the server.
    #[must_use]
    pub fn server(&self) -> &Namespace {
        &self.lab.server
    }
}

/// Plays `body` in a folder of its own, without a lab.
pub fn in_folder(name: &str, body: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut folder = Folder::create(name).context("story folder")?;
    body(&folder.path)?;
    folder.is_wanted = false;
    Ok(())
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    is_wanted: bool,
}

impl Folder {
    fn create(name: &str) -> Result<Self> {
        let number = STORIES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!(
            "detector-story-{}-{number}-{name}",
            std::process::id()
        ));
        std::fs::create_dir_all(&path)?;
        Ok(Self {
            path,
            is_wanted: true,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_wanted {
            note(&format!(
                "captures and logs are kept in {}",
                self.path.display()
            ));
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            note(&format!("cannot remove {}: {error}", self.path.display()));
        }
    }
}

/// Tells whoever runs the stories something that is not worth a failure.
#[allow(
    clippy::print_stderr,
    reason = "the test runner shows stderr of a failed story"
)]
pub(crate) fn note(text: &str) {
    eprintln!("note: {text}");
}
