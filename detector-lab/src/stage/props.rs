//! What plays ask of their stage: where they are, servers and peers, the fall of the curtain; and
//! what they report.

use super::{DueFlag, Ends, Stage, Thresholds};
use crate::network::{Namespace, mptcp};
use crate::peers::KernelPeer;
use crate::peers::crafted::{Peer, Profile};
use crate::program::Child;
use crate::servers::{ApacheModel, TinyServer};
use anyhow::{Result, bail};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

impl Stage {
    /// When what is played counts.
    pub(crate) fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    pub(crate) fn server_ip(&self) -> IpAddr {
        match self.ends {
            Ends::Planned(network) => network.server(),
            Ends::Given { server, .. } => server,
        }
    }

    /// Address of the case's usual peer.
    pub(crate) fn peer_ip(&self) -> IpAddr {
        self.peer_at(0, 2)
    }

    fn peer_at(&self, network: u8, host: u8) -> IpAddr {
        match self.ends {
            Ends::Planned(first) => first.further(network).peer(host),
            Ends::Given { peer, .. } => peer,
        }
    }

    pub(crate) fn servers(&self) -> Result<&Namespace> {
        self.site.server_of(self.case.place)
    }

    pub(crate) fn clients(&self) -> Result<&Namespace> {
        self.site.client_of(self.case.place)
    }

    /// Waits for the curtain.
    pub(crate) fn hold(&self) {
        while self.pause(Duration::from_secs(600)) {}
    }

    /// Pauses for `span`; false if the curtain is down.
    pub(crate) fn pause(&self, span: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), span, |told| !told.is_curtain_down);
        let (told, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !told.is_curtain_down
    }

    /// Pauses for `span`, and fails if the curtain falls before.
    pub(crate) fn wait(&self, span: Duration) -> Result<()> {
        if self.pause(span) {
            return Ok(());
        }
        bail!("the curtain fell in the middle of the play")
    }

    /// A small server for this case alone, on a port that servers have.
    pub(crate) fn tiny_server(&self) -> Result<TinyServer> {
        TinyServer::start_on(self.servers()?, self.server())
    }

    /// The same for MPTCP.
    pub(crate) fn mptcp_server(&self) -> Result<TinyServer> {
        TinyServer::start_mptcp(self.servers()?, self.server())
    }

    /// Connects an MPTCP client of the first network of the case.
    pub(crate) fn mptcp_client(&self, server: &TinyServer) -> Result<KernelPeer> {
        let source = SocketAddr::new(self.peer_ip(), 0);
        KernelPeer::connect_mptcp(self.clients()?, source, server.address())
    }

    /// Has MPTCP clients of the case make a subflow from its second network.
    pub(crate) fn add_path(&self) -> Result<()> {
        let second = self.peer_at(1, 2);
        self.clients()?.enter(|| mptcp::add_path(second))
    }

    /// nginx where there is one, else a small server, which runs as long as its guard.
    pub(crate) fn web_server(&self) -> Result<(SocketAddr, Option<TinyServer>)> {
        if let Ok(nginx) = self.nginx() {
            return Ok((nginx, None));
        }
        let server = self.tiny_server()?;
        Ok((server.address(), Some(server)))
    }

    pub(crate) fn nginx(&self) -> Result<SocketAddr> {
        let port = self.site.programs()?.nginx.address().port();
        Ok(SocketAddr::new(self.server_ip(), port))
    }

    pub(crate) fn apache(&self, model: ApacheModel) -> Result<SocketAddr> {
        let port = self.site.programs()?.apache(model).address().port();
        Ok(SocketAddr::new(self.server_ip(), port))
    }

    /// What crafted peers of this case say of themselves: unlike those of other cases, so that no
    /// two of them look like one crowd.
    pub(crate) fn profile(&self) -> Profile {
        let number = match self.ends {
            Ends::Planned(network) => network.number,
            Ends::Given { .. } => 0,
        };
        Profile::default().mss(1_460 - 2 * u16::from(number))
    }

    /// A port of loopback that no other case of the process has.
    pub(crate) fn own_port(&self) -> u16 {
        const FIRST: u16 = 20_000;
        match self.ends {
            Ends::Planned(network) => FIRST + u16::from(network.number),
            Ends::Given { .. } => FIRST,
        }
    }

    /// Connects the one crafted peer of a case, from a port that kernels give to clients.
    pub(crate) fn peer(&self, server: &TinyServer, profile: Profile) -> Result<Peer> {
        self.crafted((0, 2, 40_001), server.address(), profile)
    }

    /// Connects a crafted peer from a network of the case, a host in it and a port.
    pub(crate) fn crafted(
        &self,
        (network, host, port): (u8, u8, u16),
        server: SocketAddr,
        profile: Profile,
    ) -> Result<Peer> {
        let local = SocketAddr::new(self.peer_at(network, host), port);
        self.site.connect(local, server, profile)
    }

    /// Connects a kernel client of the `network`th network of the case.
    pub(crate) fn kernel(
        &self,
        network: u8,
        server: SocketAddr,
        receive_buffer: Option<usize>,
    ) -> Result<KernelPeer> {
        let source = SocketAddr::new(self.peer_at(network, 2), 0);
        KernelPeer::connect_with(self.clients()?, Some(source), server, receive_buffer)
    }

    /// A kernel client that has asked the case's small server for `path`, which runs as long as its
    /// guard.
    pub(crate) fn download(
        &self,
        path: &str,
        receive_buffer: Option<usize>,
    ) -> Result<(TinyServer, KernelPeer)> {
        let server = self.tiny_server()?;
        let mut client = self.kernel(0, server.address(), receive_buffer)?;
        client.request(path)?;
        Ok((server, client))
    }

    /// Starts a client program where clients are; its words go to a file called `name`.
    pub(crate) fn start_client(&self, name: &str, command: Command) -> Result<Child> {
        self.site.start_client(self.case.place, name, command)
    }

    /// Where logs and files of programs lie.
    pub(crate) fn folder(&self) -> Result<&Path> {
        Ok(&self.site.programs()?.folder)
    }

    /// Tells that an honest play has shown what it is about: what comes is more of the same.
    pub(crate) fn shown(&self) {
        self.report(|progress| progress.is_shown = true);
    }

    /// Notes that a flag on the connection of `peer` is due from `at`.
    pub(crate) fn note_due(&self, kind: &'static str, peer: &Peer, at: Instant) {
        self.push_due(kind, Some(peer.address()), at);
    }

    /// Notes that the connection whose far end is `remote` took nothing more after `at`.
    pub(crate) fn note_filled(&self, kind: &'static str, remote: SocketAddr, at: Instant) {
        self.push_due(kind, Some(remote), at + self.thresholds.stall_after);
    }

    /// Notes that a flag on the peer as a whole is due from `at`.
    pub(crate) fn note_peer_due(&self, kind: &'static str, at: Instant) {
        self.push_due(kind, None, at);
    }

    /// Notes that `peer` has taken nothing since it last did, so that a stall is due later.
    pub(crate) fn note_stall(&self, kind: &'static str, peer: &Peer) {
        self.note_due(kind, peer, peer.progress_at() + self.thresholds.stall_after);
    }

    fn push_due(&self, kind: &'static str, remote: Option<SocketAddr>, at: Instant) {
        let (now, wall_now) = (Instant::now(), SystemTime::now());
        let wall = wall_now + at.saturating_duration_since(now) - now.saturating_duration_since(at);
        let due = DueFlag {
            kind,
            remote,
            at,
            wall,
        };
        self.report(|progress| progress.due.push(due));
    }
}
