//! What stories of crafted peers stand on: a small server, and the peers behind a TUN device.

use crate::PATIENCE;
use crate::lab::{Lab, Namespace, Tun, tun_with_addresses};
use crate::peers::crafted::{Peer, Profile};
use crate::servers::TinyServer;
use crate::story::Story;
use crate::suite::THRESHOLDS;
use anyhow::{Context, Result, ensure};
use detector_lab::cases::{self, Place};
use detector_lab::stage::{Site, Stage};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A small server on the TUN device and the crafted peers behind it.
#[derive(Debug)]
pub struct CraftedStage<'s> {
    /// Where peers connect to.
    pub server: TinyServer,
    site: Arc<Site>,
    story: &'s Story,
}

impl<'s> CraftedStage<'s> {
    /// In the server namespace of the story.
    pub fn set(story: &'s Story) -> Result<Self> {
        Self::set_in(story.server(), story.lab.open_tun()?, story)
    }

    /// In another namespace, on a TUN device of its own.
    pub fn set_elsewhere(namespace: &Namespace, story: &'s Story) -> Result<Self> {
        let addresses = story.lab.addresses;
        let tun = namespace.enter(move || tun_with_addresses(Lab::TUN, &addresses))?;
        Self::set_in(namespace, tun, story)
    }

    fn set_in(namespace: &Namespace, tun: Tun, story: &'s Story) -> Result<Self> {
        let server_ip = story.lab.addresses.tun_server(story.family);
        Ok(Self {
            server: TinyServer::start(namespace, server_ip)?,
            site: Arc::new(Site::between(namespace, &story.lab.client, tun)?),
            story,
        })
    }

    /// Address of the peers of this story.
    pub fn peer_ip(&self) -> IpAddr {
        self.story.lab.addresses.crafted(self.story.family, 0)
    }

    /// Connects a peer from `port`.
    pub fn connect(&self, port: u16, profile: Profile) -> Result<Peer> {
        let local = SocketAddr::new(self.peer_ip(), port);
        self.site.connect(local, self.server.address(), profile)
    }

    /// Opens a connection to a peer that answers the SYN with this profile: our end, and the peer.
    pub fn open(&self, port: u16, profile: Profile) -> Result<(TcpStream, Peer)> {
        let address = SocketAddr::new(self.peer_ip(), port);
        let peer = self.site.listen(address, profile)?;
        let connect = || TcpStream::connect_timeout(&address, PATIENCE).context("connect");
        Ok((self.story.server().enter(connect)?, peer))
    }

    /// Plays a case of the table; back when it is known from when on its first flag is due, or
    /// when it has shown what it is about.
    pub fn play(&self, name: &str) -> Result<Playing> {
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
pub struct Playing {
    stage: Arc<Stage>,
    play: Option<JoinHandle<Result<()>>>,
}

impl Playing {
    /// Where its server listens.
    pub fn server(&self) -> SocketAddr {
        self.stage.server()
    }

    /// The peer's end of the connection on which its first flag is due.
    pub fn peer(&self) -> Result<SocketAddr> {
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
