//! What a play sees: its place, its addresses, the end of the evening.

use super::network::Network;
use super::scenario::Place;
use super::site::Site;
use crate::lab::{Child, Family, Namespace};
use crate::peers::KernelPeer;
use crate::peers::crafted::{Peer, Profile};
use crate::servers::TinyServer;
use anyhow::{Result, bail};
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

const TINY_PORT: u16 = 8_080;

/// Falls once for all plays.
#[derive(Debug, Default)]
pub(crate) struct Curtain {
    is_down: Mutex<bool>,
    changed: Condvar,
}

impl Curtain {
    pub(crate) fn fall(&self) {
        *self.is_down.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits at most `span`; whether the curtain is down then.
    pub(crate) fn is_down_within(&self, span: Duration) -> bool {
        let guard = self.is_down.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(guard, span, |is_down| !*is_down);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A moment from which a flag was due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) kind: &'static str,
    /// The connection, by the peer's end; `None` for a flag on a peer as a whole.
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) at: SystemTime,
}

/// The stage of one scenario in one family.
pub(crate) struct Stage<'s> {
    pub(crate) site: &'s Site,
    pub(crate) family: Family,
    pub(crate) network: Network,
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) curtain: Arc<Curtain>,
    /// The agent's `stall_after`.
    pub(crate) stall_after: Duration,
    pub(crate) due: Mutex<Vec<Due>>,
}

impl Stage<'_> {
    pub(crate) fn server_ip(&self) -> IpAddr {
        self.network.server()
    }

    pub(crate) fn servers(&self) -> &Namespace {
        self.site.server_of(self.place)
    }

    pub(crate) fn clients(&self) -> &Namespace {
        self.site.client_of(self.place)
    }

    /// Waits for the end of the evening.
    pub(crate) fn hold(&self) {
        while !self.curtain.is_down_within(Duration::from_secs(600)) {}
    }

    /// Pauses for `span`; false if the evening is over.
    pub(crate) fn pause(&self, span: Duration) -> bool {
        !self.curtain.is_down_within(span)
    }

    /// Pauses for `span`, and fails if the evening is over before.
    pub(crate) fn wait(&self, span: Duration) -> Result<()> {
        if self.pause(span) {
            return Ok(());
        }
        bail!("the curtain fell in the middle of the play")
    }

    /// A small server for this scenario alone, on a port that servers have.
    pub(crate) fn tiny_server(&self) -> Result<TinyServer> {
        let address = SocketAddr::new(self.server_ip(), TINY_PORT);
        TinyServer::start_on(self.servers(), address)
    }

    /// What crafted peers of this scenario say of themselves: unlike those of other scenarios, so
    /// that no two of them look like one crowd.
    pub(crate) fn profile(&self) -> Profile {
        Profile::default().mss(1_460 - 4 * u16::from(self.network.number()))
    }

    /// Connects a crafted peer: host `host` of the `network`th network of the scenario.
    pub(crate) fn crafted(
        &self,
        network: u8,
        host: u8,
        port: u16,
        server: SocketAddr,
        profile: Profile,
    ) -> Result<Peer> {
        let local = SocketAddr::new(self.network.further(network).peer(host), port);
        self.site.crafted.connect(local, server, profile)
    }

    /// Connects a kernel client of the `network`th network of the scenario.
    pub(crate) fn kernel(
        &self,
        network: u8,
        server: SocketAddr,
        receive_buffer: Option<usize>,
    ) -> Result<KernelPeer> {
        let source = SocketAddr::new(self.network.further(network).peer(2), 0);
        KernelPeer::connect_with(self.clients(), Some(source), server, receive_buffer)
    }

    /// Starts a client program; its words go to a file called `name`.
    pub(crate) fn start_client(&self, name: &str, command: Command) -> Result<Child> {
        self.site.start_client(self.place, name, command)
    }

    /// Notes that a flag on the connection of `peer` is due from `at`.
    pub(crate) fn note_due(&self, kind: &'static str, peer: &Peer, at: SystemTime) {
        self.push_due(kind, Some(peer.address()), at);
    }

    /// Notes that a flag on the peer as a whole is due from `at`.
    pub(crate) fn note_peer_due(&self, kind: &'static str, at: SystemTime) {
        self.push_due(kind, None, at);
    }

    /// Notes that `peer` has taken nothing since it last did, so that a stall is due
    /// `stall_after` later. Gives that moment.
    pub(crate) fn note_stall(&self, kind: &'static str, peer: &Peer) -> SystemTime {
        let at = wall(peer.progress_at()) + self.stall_after;
        self.note_due(kind, peer, at);
        at
    }

    /// What was due, one line each, for the reader of a failure.
    pub(crate) fn all_due(&self) -> String {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = due.iter().map(|due| format!("{} {due:?}\n", self.name));
        lines.collect()
    }

    fn push_due(&self, kind: &'static str, remote: Option<SocketAddr>, at: SystemTime) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.push(Due { kind, remote, at });
    }
}

/// A past moment on the wall clock, which is also the clock of events.
pub(crate) fn wall(moment: Instant) -> SystemTime {
    SystemTime::now() - moment.elapsed()
}
