//! What the guard knows: its settings, what it decided before, whom it spares, what it has done.
//!
//! Which step is due is decided by [`detector_core::guard`]; `daemon/guard` looks and acts.

mod containers;
mod scrapers;
mod spared;

pub(crate) use spared::{REASONS as SPARED_REASONS, SHARED, Spared, TRUSTED, network_of};

use crate::clock;
use crate::config::{GuardConfig, GuardMode};
use crate::host::sessions::{self, Sessions};
use crate::http::Client;
use crate::lock::lock;
use crate::privilege::outside::Errand;
use detector_api::snapshot::{GuardAct, GuardStep};
use detector_core::guard::{Guard, GuardSettings, GuardSuspect, Pressure, Step};
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::MonotonicTime;
use ipnet::IpNet;
use scrapers::Scrapers;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Whom to spare is looked up anew after so long.
const SPARED_FOR: Duration = Duration::from_secs(10);

/// Looking at each process may take so long; one whose memory is being changed by something that hangs keeps
/// whoever reads its environment waiting for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct AutoGuard {
    config: Mutex<GuardConfig>,
    /// What was decided before.
    decisions: Mutex<Guard>,
    /// Whom to spare, and when that was looked up.
    spared: Mutex<Option<(Instant, Spared)>>,
    scrapers: Mutex<Scrapers>,
    /// Nobody knows who is logged in.
    pub(crate) hidden_sessions: Told,
    /// Nobody knows whom to spare.
    pub(crate) unknown: Told,
    /// Nobody knew so when somebody was to be limited or blocked, which is asked anew.
    pub(crate) unknown_at_a_step: Told,
    /// Nobody knows what a limit or a block would cut.
    pub(crate) unseen_namespaces: Told,
    /// What was counted of services is too old to be judged.
    pub(crate) old_counts: Told,
    /// Looks who is logged in.
    sessions: Errand,
    last_sessions: Mutex<Sessions>,
    /// Looks which addresses containers have.
    containers: Errand,
    status: Mutex<GuardStatus>,
    /// Wakes whoever waits for the guard to be switched on or off.
    pub(crate) switched: Notify,
}

/// Something that keeps the guard from acting. It is found each second, and told once until it has been otherwise.
#[derive(Debug, Default)]
pub(crate) struct Told(AtomicBool);

impl Told {
    /// Takes whether it is so now. Whether it is to be told.
    pub(crate) fn is_news(&self, is_so: bool) -> bool {
        !self.0.swap(is_so, Ordering::Relaxed) && is_so
    }
}

/// What the guard does, and has done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GuardStatus {
    pub(crate) mode: GuardMode,
    /// What presses the host at present.
    pub(crate) pressure: Option<Pressure>,
    /// Steps by act and by what came of them.
    pub(crate) steps: BTreeMap<(GuardAct, StepResult), u64>,
    /// Connections that were reset.
    pub(crate) reset: u64,
    /// Kernel memory that this has freed.
    pub(crate) freed_bytes: u64,
    /// Peers that were spared, by reason, each time that there was a reason to act on them.
    pub(crate) spared: BTreeMap<&'static str, u64>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StepResult {
    Done,
    Would,
    Failed,
}

impl StepResult {
    pub(crate) const ALL: [Self; 3] = [Self::Done, Self::Would, Self::Failed];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Would => "would",
            Self::Failed => "failed",
        }
    }
}

impl AutoGuard {
    /// Takes new settings.
    pub(crate) fn configure(&self, config: GuardConfig) {
        let before = std::mem::replace(&mut *lock(&self.config), config);
        if before.mode != config.mode {
            // What would have been done was not.
            *lock(&self.decisions) = Guard::default();
            self.switched.notify_one();
        }
        lock(&self.status).mode = config.mode;
    }

    pub(crate) fn config(&self) -> GuardConfig {
        *lock(&self.config)
    }

    /// This client was given the metrics.
    pub(crate) fn note_scrape(&self, client: Client) {
        lock(&self.scrapers).note(client);
    }

    pub(crate) fn status(&self) -> GuardStatus {
        lock(&self.status).clone()
    }

    /// What presses the host now.
    pub(crate) fn set_pressure(&self, pressure: Option<Pressure>) {
        lock(&self.status).pressure = pressure;
    }

    /// Whom to spare, as it was within the last seconds.
    pub(crate) fn spared(&self) -> io::Result<Spared> {
        let known = lock(&self.spared).clone();
        match known {
            Some((at, spared)) if at.elapsed() < SPARED_FOR => Ok(spared),
            _ => self.spared_now(),
        }
    }

    /// Whom to spare at this moment. Looks at each process.
    pub(crate) fn spared_now(&self) -> io::Result<Spared> {
        self.look_with(|scrapers| {
            // A process whose memory is being changed for ever is anybody's to make: what is known of nobody keeps
            // the guard from limiting and blocking, and from nothing else.
            let sessions = self.sessions.run("sessions", PATIENCE, sessions::find);
            let sessions = self.with_last(sessions.ok());
            let of_containers =
                self.containers
                    .run("containers", PATIENCE, containers::addresses)?;
            Spared::find(scrapers, sessions, of_containers?)
        })
    }

    /// Those that were logged in at the last look, where this one has not ended: some may be missing.
    fn with_last(&self, sessions: Option<Sessions>) -> Sessions {
        let mut last = lock(&self.last_sessions);
        match sessions {
            Some(sessions) => last.clone_from(&sessions),
            None => last.are_all = false,
        }
        last.clone()
    }

    /// Nothing is locked meanwhile: whoever fetches the metrics is noted on the event loop.
    fn look_with(&self, find: impl FnOnce(Vec<IpNet>) -> io::Result<Spared>) -> io::Result<Spared> {
        let scrapers: Vec<_> = lock(&self.scrapers).networks().collect();
        let found = find(scrapers)?;
        *lock(&self.spared) = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    pub(crate) fn count_spared(&self, reason: &'static str) {
        *lock(&self.status).spared.entry(reason).or_default() += 1;
    }

    /// The steps that are due.
    pub(crate) fn decide(
        &self,
        settings: &GuardSettings,
        suspects: Vec<GuardSuspect>,
        spares: impl Fn(&PeerAddress) -> bool,
    ) -> Vec<Step> {
        lock(&self.decisions).decide(clock::now(), settings, suspects, spares)
    }

    /// A step that was decided has been made.
    pub(crate) fn note_made(&self, step: &Step) {
        lock(&self.decisions).note_made(step, clock::now());
    }

    /// What limited or blocked these networks stands no more, before its time.
    pub(crate) fn note_lifted(&self, networks: &[IpNet]) {
        lock(&self.decisions).note_lifted(|peer| {
            let of_peer = network_of(peer);
            of_peer.is_some_and(|of_peer| networks.iter().any(|each| each.contains(&of_peer)))
        });
    }

    /// Whom it has reset and may limit or block next, since when; nobody where it does neither, by its settings or
    /// by what was known lately.
    pub(crate) fn may_fence_off(
        &self,
        trusts_anybody: bool,
    ) -> HashMap<PeerAddress, MonotonicTime> {
        let lately = lock(&self.spared);
        let lately = lately.as_ref().filter(|(at, _)| at.elapsed() < SPARED_FOR);
        let may = lately.is_none_or(|(_, spared)| spared.may_fence_off(trusts_anybody));
        if !may || self.config().blocks_per_minute == 0 {
            return HashMap::new();
        }
        lock(&self.decisions).may_fence_off(clock::now())
    }

    /// Counts a step and what came of it.
    pub(crate) fn count(&self, step: &GuardStep) {
        let result = match (&step.failure, step.dry_run) {
            (Some(_), _) => StepResult::Failed,
            (None, true) => StepResult::Would,
            (None, false) => StepResult::Done,
        };
        let mut status = lock(&self.status);
        *status.steps.entry((step.act, result)).or_default() += 1;
        if !step.dry_run {
            status.reset += step.reset;
            status.freed_bytes += step.freed_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AutoGuard, Spared, Told};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn what_is_found_each_second_is_told_once() {
        let hidden = Told::default();
        let told = [false, true, true, false, true].map(|is_so| hidden.is_news(is_so));
        assert_eq!(told, [false, true, false, false, true]);
    }

    #[test]
    fn a_process_that_hangs_keeps_nobody_from_being_reset() {
        let guard = AutoGuard::default();
        let (release, hangs) = channel::<()>();
        let look = guard
            .sessions
            .run("sessions", Duration::from_millis(1), move || hangs.recv());
        assert!(look.is_err());
        let spared = guard.spared_now().unwrap();
        assert!(!spared.are_sessions_known);
        assert_eq!(
            spared.reason_of("127.0.0.1/32".parse().unwrap()),
            Some("loopback")
        );
        drop(release);
    }

    #[test]
    fn a_scrape_waits_for_no_look_at_processes() {
        let guard = AutoGuard::default();
        let look = |_| {
            assert!(guard.scrapers.try_lock().is_ok());
            assert!(guard.spared.try_lock().is_ok());
            assert!(guard.status.try_lock().is_ok());
            Ok(Spared::default())
        };
        guard.look_with(look).unwrap();
    }
}
