//! What a play sees: its place, its addresses, the fall of the curtain, and what it tells those
//! who watch.

mod plan;
mod site;
mod weather;

pub use plan::{MOST_NETWORKS, Network, Plan};
pub use site::Site;
pub(crate) use weather::{lose_incoming, set_gone};

use crate::cases::Case;
use crate::network::{Family, Namespace, peer_key};
use crate::peers::KernelPeer;
use crate::peers::crafted::{Peer, Profile};
use crate::program::Child;
use crate::servers::{ApacheModel, TinyServer};
use anyhow::{Result, bail};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

const TINY_PORT: u16 = 8_080;

/// When what is played counts, by the settings of those who watch.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Without progress for this long, queued data is a stall.
    pub stall_after: Duration,
    /// A drain rate is measured over this long.
    pub dribble_over: Duration,
    /// Stalled connections of one peer from which it hoards.
    pub hoard_connections: usize,
}

/// A flag, and the moment from which it was due.
#[derive(Clone, Copy, Debug)]
pub struct DueFlag {
    /// Its label.
    pub kind: &'static str,
    /// The connection, by the peer's end; `None` for a flag on a peer as a whole.
    pub remote: Option<SocketAddr>,
    /// The moment; may lie ahead.
    pub at: Instant,
    /// The same on the wall clock.
    pub wall: SystemTime,
}

/// The stage of one case in one family.
#[derive(Debug)]
pub struct Stage {
    /// What is played on it.
    pub case: &'static Case,
    /// IP version.
    pub family: Family,
    site: Arc<Site>,
    ends: Ends,
    thresholds: Thresholds,
    told: Mutex<Told>,
    changed: Condvar,
}

/// Where servers and peers of a case are.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// In networks of its own.
    Planned(Network),
    /// Where somebody else has laid out one address of each.
    Given { server: IpAddr, peer: IpAddr },
}

/// What was told so far.
#[derive(Debug, Default)]
struct Told {
    is_curtain_down: bool,
    has_ended: bool,
    is_shown: bool,
    due: Vec<DueFlag>,
}

impl Stage {
    /// A stage for each case and family of `site`, with addresses of its own.
    pub fn set(
        site: &Arc<Site>,
        cases: impl IntoIterator<Item = &'static Case>,
        plan: Plan,
        thresholds: Thresholds,
    ) -> Result<Vec<Self>> {
        let mut stages = Vec::new();
        let mut number = 1;
        for case in cases {
            for &family in site.families() {
                let network = Network {
                    family,
                    plan,
                    process: std::process::id(),
                    number,
                };
                site.settle(case.place, network, case.networks)?;
                stages.push(Self::new(
                    site,
                    case,
                    family,
                    Ends::Planned(network),
                    thresholds,
                ));
            }
            number += case.networks;
        }
        Ok(stages)
    }

    /// A stage for a case of one peer, with addresses that are there.
    #[must_use]
    pub fn between(
        site: &Arc<Site>,
        case: &'static Case,
        (server, peer): (IpAddr, IpAddr),
        thresholds: Thresholds,
    ) -> Self {
        let family = Family::of(server);
        Self::new(site, case, family, Ends::Given { server, peer }, thresholds)
    }

    fn new(
        site: &Arc<Site>,
        case: &'static Case,
        family: Family,
        ends: Ends,
        thresholds: Thresholds,
    ) -> Self {
        Self {
            case,
            family,
            site: Arc::clone(site),
            ends,
            thresholds,
            told: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Plays the case until the curtain falls.
    pub fn play(&self) -> Result<()> {
        let ready = self.site.prepare(self.case.place);
        let played = ready.and_then(|()| (self.case.play)(self));
        self.tell(|told| told.has_ended = true);
        played
    }

    /// Why this kernel cannot play the case, if so.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        self.site.obstacle(self.case.place)
    }

    /// Whether a peer with this key, as an agent writes it, is of this case.
    #[must_use]
    pub fn owns(&self, key: &str) -> bool {
        match self.ends {
            Ends::Planned(first) => {
                (0..self.case.networks).any(|each| first.further(each).has(key))
            }
            Ends::Given { peer, .. } => peer_key(peer) == key,
        }
    }

    /// Lets the curtain fall: the play comes to its end.
    pub fn end(&self) {
        self.tell(|told| told.is_curtain_down = true);
    }

    /// Waits until a flag of this kind was noted; `None` if the play ended without.
    #[must_use]
    pub fn wait_due(&self, kind: &str) -> Option<DueFlag> {
        let find = |told: &Told| told.due.iter().find(|due| due.kind == kind).copied();
        find(&self.wait_told(|told| find(told).is_some()))
    }

    /// Waits until the play has shown what it is about; false if it ended without.
    #[must_use]
    pub fn wait_shown(&self) -> bool {
        self.wait_told(|told| told.is_shown).is_shown
    }

    /// Where the case's small server listens.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        SocketAddr::new(self.server_ip(), TINY_PORT)
    }

    /// All flags that were noted.
    #[must_use]
    pub fn due(&self) -> Vec<DueFlag> {
        self.lock().due.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, news: impl FnOnce(&mut Told)) {
        news(&mut self.lock());
        self.changed.notify_all();
    }

    fn wait_told(&self, is_met: impl Fn(&Told) -> bool) -> MutexGuard<'_, Told> {
        let waited = self
            .changed
            .wait_while(self.lock(), |told| !told.has_ended && !is_met(told));
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What plays ask of their stage.
impl Stage {
    /// A name for logs.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.case.name, self.family.name())
    }

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
        Profile::default().mss(1_460 - 4 * u16::from(number))
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
        self.tell(|told| told.is_shown = true);
    }

    /// Notes that a flag on the connection of `peer` is due from `at`.
    pub(crate) fn note_due(&self, kind: &'static str, peer: &Peer, at: Instant) {
        self.push_due(kind, Some(peer.address()), at);
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
        self.tell(|told| told.due.push(due));
    }
}
