//! What most stories set up and ask: a small server, crafted peers behind a TUN device, an agent.

use anyhow::{Context, Result, ensure};
use detector_lab::cases::{self, Place};
use detector_lab::stage::{Site, Stage};
use detector_tests::PATIENCE;
use detector_tests::agent::Agent;
use detector_tests::lab::{Family, Namespace, Tun};
use detector_tests::peers::crafted::{Peer, Profile};
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use detector_tests::suite::THRESHOLDS;
use detector_tests::truth::Counts;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Plays the function of this name over both families.
macro_rules! both_families {
    ($($story:ident),+ $(,)?) => {
        mod v4 { $(
            #[test]
            fn $story() -> anyhow::Result<()> {
                super::$story(detector_tests::lab::Family::V4)
            }
        )+ }
        mod v6 { $(
            #[test]
            fn $story() -> anyhow::Result<()> {
                super::$story(detector_tests::lab::Family::V6)
            }
        )+ }
    };
}
pub(crate) use both_families;

/// A small server on the TUN device and the crafted peers behind it.
pub(crate) struct CraftedStage<'s> {
    pub(crate) server: TinyServer,
    site: Arc<Site>,
    story: &'s Story,
}

impl<'s> CraftedStage<'s> {
    /// In the server namespace of the story.
    pub(crate) fn set(story: &'s Story) -> Result<Self> {
        Self::set_in(story.server(), story.lab.open_tun()?, story)
    }

    /// In another namespace, on a TUN device that is there.
    pub(crate) fn set_in(namespace: &Namespace, tun: Tun, story: &'s Story) -> Result<Self> {
        let server_ip = story.lab.addresses.tun_server(story.family);
        Ok(Self {
            server: TinyServer::start(namespace, server_ip)?,
            site: Arc::new(Site::between(namespace, &story.lab.client, tun)?),
            story,
        })
    }

    /// Address of the peers of this story.
    pub(crate) fn peer_ip(&self) -> IpAddr {
        self.story.lab.addresses.crafted(self.story.family, 0)
    }

    /// Connects a peer from `port`.
    pub(crate) fn connect(&self, port: u16, profile: Profile) -> Result<Peer> {
        let local = SocketAddr::new(self.peer_ip(), port);
        self.site.connect(local, self.server.address(), profile)
    }

    /// Opens a connection to a peer that answers the SYN with this profile: our end, and the peer.
    pub(crate) fn open(&self, port: u16, profile: Profile) -> Result<(TcpStream, Peer)> {
        let address = SocketAddr::new(self.peer_ip(), port);
        let peer = self.site.listen(address, profile)?;
        let connect = || TcpStream::connect_timeout(&address, PATIENCE).context("connect");
        Ok((self.story.server().enter(connect)?, peer))
    }

    /// Plays a case of the table; back when it is known from when on its first flag is due, or
    /// when it has shown what it is about.
    pub(crate) fn play(&self, name: &str) -> Result<Playing> {
        let (case, addresses) = (cases::named(name)?, self.story.lab.addresses);
        let family = self.story.family;
        let ends = match case.place {
            Place::Tun => (addresses.tun_server(family), self.peer_ip()),
            _ => (addresses.server(family), addresses.client(family)),
        };
        let stage = Arc::new(Stage::between(&self.site, case, ends, THRESHOLDS));
        let play = std::thread::spawn({
            let stage = Arc::clone(&stage);
            move || stage.play()
        });
        let mut playing = Playing {
            stage,
            play: Some(play),
        };
        let is_on = match case.flags().first() {
            Some(flag) => playing.stage.wait_due(flag.kind).is_some(),
            None => playing.stage.wait_shown(),
        };
        ensure!(is_on, "{name} ended: {:?}", playing.end());
        Ok(playing)
    }
}

/// A case that is on until this is dropped.
pub(crate) struct Playing {
    stage: Arc<Stage>,
    play: Option<JoinHandle<Result<()>>>,
}

impl Playing {
    /// Where its server listens.
    pub(crate) fn server(&self) -> SocketAddr {
        self.stage.server()
    }

    /// The peer's end of the connection on which its first flag is due.
    pub(crate) fn peer(&self) -> Result<SocketAddr> {
        let due = self.stage.due();
        let remote = due.first().and_then(|due| due.remote);
        remote.context("no flag on a connection is due")
    }

    fn end(&mut self) -> Option<Result<()>> {
        self.stage.end();
        self.play.take()?.join().ok()
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.end();
    }
}

/// A name with the family in it.
pub(crate) fn suffix(name: &str, family: Family) -> String {
    match family {
        Family::V4 => format!("{name}-v4"),
        Family::V6 => format!("{name}-v6"),
    }
}

/// Fails if the agent holds anything against the peer: what every quiet twin ends with.
pub(crate) fn expect_unblamed(agent: &Agent, peer: IpAddr) -> Result<()> {
    agent.wait_sweeps(2)?;
    let flags = agent.flags(peer)?;
    ensure!(flags.is_empty(), "an honest peer is flagged: {flags:?}");
    let Some(seen) = agent.peer(peer)? else {
        return Ok(());
    };
    ensure!(
        seen.window_shrinks.total() == 0
            && seen.stalled_connections == 0
            && seen.pinned_bytes == 0
            && seen
                .verdict
                .as_deref()
                .is_none_or(|verdict| verdict == "benign"),
        "an honest peer is blamed: {seen:?}"
    );
    Ok(())
}

/// Waits until the agent's counts of the peer are those of the capture: for peers that pace their
/// segments nothing may be missing.
///
/// Retransmits are left to the stories, which know when the last one has been sent.
pub(crate) fn expect_counts(agent: &Agent, peer: IpAddr, truth: &Counts) -> Result<()> {
    agent
        .wait_peer(
            peer,
            "the agent counts what the capture shows",
            PATIENCE,
            |seen| {
                let shrinks = seen.window_shrinks;
                shrinks.polite == truth.polite
                    && shrinks.below_flight == truth.below_flight
                    && shrinks.treason == truth.treason
                    && seen.zero_window_episodes == truth.zero_window_episodes
            },
        )
        .with_context(|| format!("capture shows {truth:?}"))
        .map(drop)
}
