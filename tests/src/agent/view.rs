//! What the agent says over its control socket: the fields the stories look at, spelled again
//! here, because the names are a contract.

use super::http::{Response, request, write_and_read};
use super::line::is_event;
use crate::{PATIENCE, expect};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Window shrinks by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct ShrinksView {
    pub polite: u64,
    pub below_flight: u64,
    pub treason: u64,
}

impl ShrinksView {
    /// All severities together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.polite + self.below_flight + self.treason
    }
}

/// Segments sent again by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct RetransmitsView {
    pub loss: u64,
    pub tail_probe: u64,
    pub window_probe: u64,
}

impl RetransmitsView {
    /// While the window was open: on the wire nothing tells these apart.
    #[must_use]
    pub const fn into_open_window(&self) -> u64 {
        self.loss + self.tail_probe
    }
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct ProcessView {
    pub pid: u32,
    pub comm: String,
    pub unit: Option<String>,
    pub executable: Option<String>,
    pub thread: Option<u32>,
}

/// How many tasks of a service stalled connections hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct HeldWorkersView {
    pub service: String,
    pub held: Option<u64>,
    pub total: u64,
    pub stalled_connections: u64,
}

/// One peer.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct PeerView {
    pub peer: String,
    pub verdict: Option<String>,
    pub severity: String,
    pub connections: u64,
    pub stalled_connections: u64,
    pub pinned_bytes: u64,
    pub pinned_byte_seconds: f64,
    pub zero_window_episodes: u64,
    pub zero_window_seconds: f64,
    pub longest_stall_seconds: f64,
    pub window_shrinks: ShrinksView,
    pub retransmits: RetransmitsView,
    pub direction: String,
    pub retransmits_needless: u64,
    pub services: Vec<u16>,
    pub processes: Vec<ProcessView>,
    pub first_seen: String,
    pub last_seen: String,
}

/// One connection.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct ConnectionView {
    pub peer: String,
    pub local: String,
    pub remote: String,
    pub netns: u64,
    pub direction: String,
    pub state: String,
    pub stall: Option<String>,
    pub stalled_seconds: f64,
    pub in_zero_window: bool,
    pub window_bytes: u64,
    pub window_shift: u8,
    pub snd_una: u32,
    pub snd_nxt: u32,
    pub edge: u32,
    pub edge_max: Option<u32>,
    pub retracted_bytes: u64,
    pub retracted_max_bytes: u64,
    pub queued_bytes: u64,
    pub in_flight_bytes: u64,
    pub pinned_bytes: u64,
    pub zero_window_episodes: u64,
    pub zero_window_seconds: f64,
    pub window_shrinks: ShrinksView,
    pub granularity_retreats: u64,
    pub ambiguous_windows: u64,
    pub ignored_segments: u64,
    pub retransmits: RetransmitsView,
    pub is_orphan: bool,
    pub is_subflow: bool,
    pub processes: Vec<ProcessView>,
    pub owner_out_of_sight: bool,
    pub within_host: bool,
    pub source: String,
}

/// A step of the guard.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct GuardView {
    pub act: String,
    pub reset: u64,
    pub freed_bytes: u64,
    pub failure: Option<String>,
}

/// One event.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct EventView {
    pub time: String,
    pub event: String,
    pub kind: String,
    pub verdict: Option<String>,
    pub severity: String,
    pub peer: String,
    pub local: Option<String>,
    pub remote: Option<String>,
    pub evidence: BTreeMap<String, f64>,
    pub direction: String,
    pub snd_una: Option<u32>,
    pub snd_nxt: Option<u32>,
    pub edge: Option<u32>,
    pub edge_max: Option<u32>,
    pub source: String,
    pub guard: Option<GuardView>,
}

impl EventView {
    /// The word in this field.
    #[must_use]
    pub fn word(&self, field: &str) -> Option<&str> {
        match field {
            "direction" => Some(&self.direction),
            "severity" => Some(&self.severity),
            "verdict" => self.verdict.as_deref(),
            _ => None,
        }
    }
}

/// `/v1/peers/{peer}`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the contract's names")]
pub struct PeerReport {
    pub peer: PeerView,
    pub connections: Vec<ConnectionView>,
    pub events: Vec<EventView>,
}

/// A reader of one control socket.
#[derive(Clone, Debug)]
pub struct AgentView {
    socket: PathBuf,
}

impl AgentView {
    /// Reads the agent behind `socket`.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// GET of `path`.
    pub fn get(&self, path: &str) -> Result<Response> {
        request(self.connect()?, "GET", path)
    }

    fn connect(&self) -> Result<UnixStream> {
        let stream = UnixStream::connect(&self.socket)
            .with_context(|| format!("connect to {}", self.socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let response = self.get(path)?;
        ensure!(
            response.status == 200,
            "GET {path}: {} {}",
            response.status,
            response.body
        );
        serde_json::from_str(&response.body)
            .with_context(|| format!("GET {path}: {}", response.body))
    }

    /// Asks the control socket to do something.
    pub fn post(&self, path: &str, body: &serde_json::Value) -> Result<Response> {
        let body = body.to_string();
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let stream = self.connect()?;
        write_and_read(stream, text.as_bytes()).with_context(|| format!("POST {path}"))
    }

    /// `/v1/status`, as it is.
    pub fn status(&self) -> Result<serde_json::Value> {
        self.json("/v1/status")
    }

    /// Runs of the agent's programs that the kernel left out because they were running on that
    /// processor already: the busier a machine, the more often they are interrupted there.
    pub fn runs_left_out(&self) -> Result<u64> {
        let status = self.status()?;
        let left_out = status["records"]["lost"]["recursion"].as_u64();
        left_out.with_context(|| format!("no runs left out in {status}"))
    }

    /// How many sweeps the agent has made since it started.
    pub fn sweeps(&self) -> Result<f64> {
        let status = self.status()?;
        status["sweep"]["rounds"]
            .as_f64()
            .with_context(|| format!("no number of sweeps in {status}"))
    }

    /// Waits until `count` sweeps have begun and ended from now on.
    pub fn wait_sweeps(&self, count: u32) -> Result<()> {
        let before = self.sweeps()?;
        // The sweep that is on its way has perhaps passed the socket already.
        let enough = before + f64::from(count) + 1.0;
        let deadline = PATIENCE * (count + 1);
        expect::until("the agent has swept", deadline, || {
            Ok((self.sweeps()? >= enough).then_some(()))
        })
    }

    /// Time from one sweep to the next that is in force.
    pub fn sweep_interval(&self) -> Result<Duration> {
        let status = self.status()?;
        let seconds = status["sweep"]["interval_seconds"].as_f64();
        let seconds = seconds.with_context(|| format!("no sweep interval in {status}"))?;
        Duration::try_from_secs_f64(seconds).context("sweep interval")
    }

    /// `held_workers` of `/v1/status`.
    pub fn held_workers(&self) -> Result<Vec<HeldWorkersView>> {
        let mut status = self.status()?;
        let held = status["held_workers"].take();
        serde_json::from_value(held).context("held_workers in /v1/status")
    }

    /// `/v1/peers`.
    pub fn peers(&self) -> Result<Vec<PeerView>> {
        self.json("/v1/peers")
    }

    /// The peer with this address, if the agent knows it.
    pub fn peer(&self, address: IpAddr) -> Result<Option<PeerView>> {
        let key = crate::lab::peer_key(address);
        Ok(self.peers()?.into_iter().find(|peer| peer.peer == key))
    }

    /// `/v1/peers/{peer}`; `None` for 404. Asked for by address, as a user would.
    pub fn report(&self, address: IpAddr) -> Result<Option<PeerReport>> {
        let path = format!("/v1/peers/{address}");
        let response = self.get(&path)?;
        if response.status == 404 {
            return Ok(None);
        }
        ensure!(
            response.status == 200,
            "GET {path}: {} {}",
            response.status,
            response.body
        );
        serde_json::from_str(&response.body)
            .with_context(|| format!("GET {path}: {}", response.body))
            .map(Some)
    }

    /// The connections of the peer with this address.
    pub fn connections(&self, address: IpAddr) -> Result<Vec<ConnectionView>> {
        let key = crate::lab::peer_key(address);
        let mut all: Vec<ConnectionView> = self.json("/v1/connections")?;
        all.retain(|connection| connection.peer == key);
        Ok(all)
    }

    /// The events of the peer with this address, oldest first.
    pub fn events(&self, address: IpAddr) -> Result<Vec<EventView>> {
        let key = crate::lab::peer_key(address);
        let response = self.get("/v1/events")?;
        ensure!(
            response.status == 200,
            "GET /v1/events: {}",
            response.status
        );
        let mut events = Vec::new();
        for line in response.body.lines().filter(|line| is_event(line)) {
            let event: EventView =
                serde_json::from_str(line).with_context(|| format!("event {line}"))?;
            if event.peer == key {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// The flags raised on the peer with this address.
    pub fn flags(&self, address: IpAddr) -> Result<Vec<EventView>> {
        let mut events = self.events(address)?;
        events.retain(|event| event.event == "flag");
        Ok(events)
    }

    /// Waits until the peer is as `is_met` says.
    pub fn wait_peer(
        &self,
        address: IpAddr,
        what: &str,
        deadline: Duration,
        is_met: impl Fn(&PeerView) -> bool,
    ) -> Result<PeerView> {
        let found = expect::until(what, deadline, || {
            Ok(self.peer(address)?.filter(|peer| is_met(peer)))
        });
        found.with_context(|| self.describe(address))
    }

    /// Waits until one connection of the peer is as `is_met` says.
    pub fn wait_connection(
        &self,
        address: IpAddr,
        what: &str,
        deadline: Duration,
        is_met: impl Fn(&ConnectionView) -> bool,
    ) -> Result<ConnectionView> {
        let found = expect::until(what, deadline, || {
            Ok(self
                .connections(address)?
                .into_iter()
                .find(|connection| is_met(connection)))
        });
        found.with_context(|| self.describe(address))
    }

    /// Waits for a flag of `kind` on the peer.
    pub fn wait_flag(&self, address: IpAddr, kind: &str, deadline: Duration) -> Result<EventView> {
        let what = format!("a {kind} flag on {address}");
        let found = expect::until(&what, deadline, || {
            Ok(self
                .flags(address)?
                .into_iter()
                .find(|flag| flag.kind == kind))
        });
        found.with_context(|| self.describe(address))
    }

    /// What the agent says of a peer now, for the reader of a failure.
    #[must_use]
    pub fn describe(&self, address: IpAddr) -> String {
        let peer = self.peer(address).map(|peer| format!("{peer:?}"));
        let connections = self.connections(address).map(|all| format!("{all:?}"));
        let events = self.events(address).map(|all| format!("{all:?}"));
        format!("agent says: peer {peer:?}\nconnections {connections:?}\nevents {events:?}")
    }
}
