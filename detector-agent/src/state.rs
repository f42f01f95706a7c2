//! The agent's state while it runs, as metrics and the control socket see it.
//!
//! Locks are held for one step at a time and never across a wait.

mod budget;
mod kills;

pub(crate) use budget::PlacedNote;

use crate::actions::Actions;
use crate::clock;
use crate::config::{Config, GuardMode};
use crate::doze::Doze;
use crate::governor::Governor;
use crate::guard::AutoGuard;
use crate::host::owner::GroupKills;
use crate::host::owner::SharedReport;
use crate::host::pressure::{Pressure, PressureGauge};
use crate::host::tcp_memory::TcpMemoryGauge;
use crate::http::{Meter, Refusals};
use crate::kernel::{History, Kernel, KernelStatus, Message};
use crate::kills::Kills;
use crate::lock::lock;
use crate::recording::{Recording, milliseconds};
use crate::watched::Watched;
use budget::AgentNotes;
use detector_api::budget::Saving;
use detector_api::snapshot::HostPressure;
use detector_api::status::Privilege;
use detector_api::time::rfc3339;
use detector_core::engine::Engine;
use detector_core::time::MonotonicTime;
use detector_recorder::ClockReading;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How long the judge may take to answer before the agent counts as stuck.
const PING_PATIENCE: Duration = Duration::from_secs(1);

/// An engine behind by more than this means that the agent was kept from running (stopped, frozen,
/// starved): what the kernel side has sent meanwhile comes before what would be due by now.
const BEHIND: Duration = Duration::from_secs(2);

fn is_behind(engine: &Engine) -> bool {
    Duration::from_nanos(clock::now().since_ns(engine.clock())) > BEHIND
}

/// What counts against the agent's share: else whoever asks over and over would decide what is given up.
fn own_time(process: Duration, hooks: Duration, served: Duration) -> Duration {
    process.saturating_sub(served).saturating_add(hooks)
}

/// Asks the judge for a sign of life.
pub(crate) type Ping = oneshot::Sender<()>;

/// See the module. A field for each part of the agent that more than one of its tasks uses.
pub(crate) struct AgentState {
    engine: Mutex<Engine>,
    kernel: Mutex<Option<Kernel>>,
    pings: mpsc::Sender<Ping>,
    newest_event: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    started: Started,
    privilege: OnceLock<Privilege>,
    /// What the agent counts about itself.
    pub(crate) counters: Counters,
    /// What the search for owners has found.
    pub(crate) owners: SharedReport,
    /// What is known of the host beside its connections.
    pub(crate) host: Host,
    /// Rouses the threads that look after tracked connections.
    pub(crate) doze: Doze,
    /// What it says of itself among the events.
    pub(crate) agent_notes: AgentNotes,
    /// Keeps the agent's own cost within bounds.
    pub(crate) governor: Governor,
    /// Does what operators ask for.
    pub(crate) actions: Actions,
    /// Acts by itself, if it is told to.
    pub(crate) guard: AutoGuard,
    /// Writes down what happens.
    pub(crate) recording: Recording,
}

/// What is known of the host beside its connections.
pub(crate) struct Host {
    /// What of it counts.
    pub(crate) watched: Watched,
    /// How loaded it is.
    pub(crate) pressure: PressureGauge,
    /// Who holds TCP's memory.
    pub(crate) tcp_memory: TcpMemoryGauge,
    /// OOM kills of late, each once.
    pub(crate) kills: Kills,
    /// What the kernel counts of its kills in the container; `None` where the whole host is watched.
    pub(crate) kills_of_container: Option<GroupKills>,
    /// Why the kernel's log is not read; `None` while it is.
    pub(crate) kernel_log_failure: Mutex<Option<String>>,
}

/// When the agent started, by all clocks.
struct Started {
    at: MonotonicTime,
    unix_ns: i128,
    boot_ns: i128,
}

/// What the agent counts about itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Refused by the metrics listeners.
    pub(crate) web: Arc<Refusals>,
    /// Refused by the control socket.
    pub(crate) control: Arc<Refusals>,
    /// What answering requests took.
    pub(crate) served: Arc<Meter>,
    /// Whether the last reload failed.
    pub(crate) last_reload_failed: AtomicBool,
    /// Flags that were raised but not logged, to bound the rate of the log.
    pub(crate) flags_not_logged: AtomicU64,
    /// Readers that are following events now.
    pub(crate) followers: AtomicU64,
    /// Suspects of which the kernel has told all connections, and of which it has not.
    pub(crate) suspects_counted: AtomicU64,
    /// See above.
    pub(crate) suspects_not_counted: AtomicU64,
    /// Processor time that asking took, nanoseconds.
    pub(crate) census_ns: AtomicU64,
    /// Events that readers missed because they were too slow; each reader got their number.
    pub(crate) events_missed: AtomicU64,
}

impl Counters {
    /// Suspects that were counted, and that were not; processor seconds it took.
    pub(crate) fn census(&self) -> (u64, u64, f64) {
        let used = Duration::from_nanos(self.census_ns.load(Ordering::Relaxed));
        (
            self.suspects_counted.load(Ordering::Relaxed),
            self.suspects_not_counted.load(Ordering::Relaxed),
            used.as_secs_f64(),
        )
    }
}

impl AgentState {
    /// An agent that has seen nothing and has no kernel side yet.
    pub(crate) fn new(config: &Config, pings: mpsc::Sender<Ping>) -> Self {
        let started = clock::now();
        let mut engine = Engine::new(
            config.detect_settings(),
            config.table_settings(),
            config.peers.ignore.clone(),
            config.peers.trusted.clone(),
        );
        engine.advance(started, clock::wall());
        let actions = Actions::default();
        actions.trust(config.peers.trusted.clone());
        actions.obey_operators(config.control.actions);
        let guard = AutoGuard::default();
        guard.configure(config.guard);
        let governor = Governor::new(config.budget.cpu_share.as_ratio());
        governor.keep_owners(config.guard.mode != GuardMode::Off);
        let watched = Watched::of(config.detect.scope);
        let kills_of_container = watched.kills_of_container();
        Self {
            engine: Mutex::new(engine),
            kernel: Mutex::new(None),
            pings,
            newest_event: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            started: Started {
                at: started,
                unix_ns: clock::unix_ns(),
                boot_ns: clock::boot_ns(),
            },
            privilege: OnceLock::new(),
            counters: Counters::default(),
            owners: SharedReport::default(),
            host: Host {
                watched,
                pressure: PressureGauge::default(),
                tcp_memory: TcpMemoryGauge::default(),
                kills: Kills::default(),
                kills_of_container,
                kernel_log_failure: Mutex::default(),
            },
            doze: Doze::default(),
            agent_notes: AgentNotes::default(),
            governor,
            actions,
            guard,
            recording: Recording::default(),
        }
    }

    /// Uses the engine, brought to the present unless it is far behind.
    pub(crate) fn with_engine<T>(&self, use_engine: impl FnOnce(&mut Engine) -> T) -> T {
        let mut engine = self.engine();
        // Else the judge first ingests what was sent meanwhile.
        if !is_behind(&engine) {
            engine.advance(clock::now(), clock::wall());
        }
        use_engine(&mut engine)
    }

    /// Whether the engine is so far behind the present that the agent must have been kept from running.
    pub(crate) fn is_behind(&self) -> bool {
        is_behind(&self.engine())
    }

    /// Brings the engine to the present; returns when it has something more to do.
    pub(crate) fn advance_to_now(&self) -> Option<MonotonicTime> {
        let mut engine = self.engine();
        engine.advance(clock::now(), clock::wall());
        engine.next_deadline()
    }

    /// Uses the engine as it is.
    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        // A handler that panicked only read.
        lock(&self.engine)
    }

    /// Ingests messages of the kernel side; fails with the reason if it cannot go on.
    pub(crate) fn ingest(&self, messages: &mut Vec<Message>) -> Result<(), String> {
        let is_recorded = self.recording.is_on() && !self.governor.saves(Saving::Timelines);
        let mut engine = self.engine();
        engine.admit_until(clock::now());
        for message in messages.drain(..) {
            match message {
                Message::Records(mut observations) => {
                    observations
                        .retain(|each| self.host.watched.has_namespace(each.connection.netns));
                    if is_recorded {
                        self.recording.watch(&observations);
                    }
                    for observation in &observations {
                        engine.observe(observation);
                    }
                    self.doze.rouse();
                }
                Message::Refused(count) => (0..count).for_each(|_| engine.refuse_record()),
                Message::SweepEnd(end) => engine.end_sweep(&end),
                Message::Untracked(totals) => engine.set_untracked(totals),
                Message::Failed(reason) => return Err(reason),
            }
        }
        Ok(())
    }

    /// Wakes those who wait for events, if there are new ones.
    pub(crate) fn publish_events(&self) {
        let newest = self.engine().last_event_id();
        self.newest_event.send_if_modified(|known| {
            let is_new = *known != newest;
            *known = newest;
            is_new
        });
    }

    /// Carries the number of the newest event whenever there is one.
    pub(crate) fn watch_events(&self) -> watch::Receiver<u64> {
        self.newest_event.subscribe()
    }

    /// Takes what the agent may still do.
    pub(crate) fn set_privilege(&self, privilege: Privilege) {
        // It is given up once.
        drop(self.privilege.set(privilege));
    }

    /// What the agent may still do; `None` before it has given up the rest.
    pub(crate) fn privilege(&self) -> Option<&Privilege> {
        self.privilege.get()
    }

    /// Takes over the running kernel side.
    pub(crate) fn kernel_started(&self, kernel: Kernel) {
        *self.kernel() = Some(kernel);
    }

    /// Gives the kernel side back, to be stopped.
    pub(crate) fn take_kernel(&self) -> Option<Kernel> {
        self.kernel().take()
    }

    /// The status of the kernel side; `None` before it runs and after it has stopped.
    pub(crate) fn kernel_status(&self) -> Option<KernelStatus> {
        self.kernel().as_ref().map(Kernel::status)
    }

    /// How connections of addresses have ended over the past hours; `None` while no kernel side runs.
    pub(crate) fn history(&self) -> Option<Arc<History>> {
        self.kernel().as_ref().map(Kernel::history)
    }

    fn kernel(&self) -> MutexGuard<'_, Option<Kernel>> {
        lock(&self.kernel)
    }

    /// Why the agent is not ready; `None` if it is.
    pub(crate) fn unready_reason(&self) -> Option<String> {
        if *self.stop.borrow() {
            return Some("stopping".to_owned());
        }
        let Some(status) = self.kernel_status() else {
            return Some("starting: the kernel side is not attached yet".to_owned());
        };
        let detached: Vec<_> = status.detached().collect();
        (!detached.is_empty()).then(|| format!("not attached: {}", detached.join(", ")))
    }

    /// Whether the judge answers.
    pub(crate) async fn is_alive(&self) -> bool {
        let (ping, pong) = oneshot::channel();
        let answer = async { self.pings.send(ping).await.is_ok() && pong.await.is_ok() };
        tokio::time::timeout(PING_PATIENCE, answer)
            .await
            .unwrap_or(false)
    }

    /// Seconds since the start.
    pub(crate) fn uptime_seconds(&self) -> f64 {
        clock::now().since_seconds(self.started.at)
    }

    /// When it started, for the recorder.
    pub(crate) fn started(&self) -> ClockReading {
        ClockReading {
            unix_ms: milliseconds(self.started.unix_ns),
            boot_ms: milliseconds(self.started.boot_ns),
        }
    }

    /// When it started, RFC 3339.
    pub(crate) fn started_text(&self) -> String {
        rfc3339(self.started.unix_ns)
    }

    /// How loaded the host was at this look, for incidents.
    pub(crate) fn host_pressure(&self, look: &Pressure) -> HostPressure {
        let stalled = self.with_engine(|engine| engine.totals().ledger.stalled_connections);
        HostPressure {
            held_workers: self.owners.held_workers(stalled),
            ..look.for_incidents()
        }
    }

    /// Asks every task to end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
        self.doze.rouse();
    }

    /// Becomes true when every task is to end.
    pub(crate) fn watch_stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Applies what can be applied without a restart.
    pub(crate) fn reconfigure(&self, config: &Config, running: &Config) {
        let mut tables = running.table_settings();
        tables.export = config.peers.export;
        self.actions.trust(config.peers.trusted.clone());
        self.guard.configure(config.guard);
        self.governor
            .keep_owners(config.guard.mode != GuardMode::Off);
        self.engine().reconfigure(
            config.detect_settings(),
            tables,
            config.peers.ignore.clone(),
            config.peers.trusted.clone(),
        );
    }

    /// Whether the last reload was applied.
    pub(crate) fn is_last_reload_successful(&self) -> bool {
        !self.counters.last_reload_failed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(crate) mod tests;
