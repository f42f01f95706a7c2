//! OOM kills, and who tells of them.

use super::AgentState;
use crate::kernel::Kernel;
use crate::kills::KnownKill;
use crate::lock::lock;
use crate::recording;
use detector_api::recorded::OomKill;
use detector_api::text::oom_kill;
use detector_recorder::ClockReading;
use std::sync::MutexGuard;

impl AgentState {
    /// The kernel kills a process for want of memory: that is part of an incident, with all that is known of it by
    /// now.
    pub(crate) fn hear_of_kill(&self, at: ClockReading, kill: OomKill) -> KnownKill {
        let known = self.host.kills.tell(at, kill);
        self.with_engine(|engine| {
            if known.is_new {
                engine.witness_oom_kill(&known.kill);
            } else if known.was_nameless {
                engine.name_oom_kill(&known.kill);
            } else {
                engine.learn_of_oom_kill(&known.kill);
            }
        });
        known
    }

    /// The same, with all that one source tells: it is written down, once and again if there is more.
    pub(crate) fn take_kill(&self, at: ClockReading, kill: OomKill) {
        // The log tells most, and last.
        let is_last_word = kill.by_log || self.log_failure().is_some();
        let known = self.hear_of_kill(at, kill);
        if is_last_word {
            tracing::warn!("{}", oom_kill(&known.kill));
        }
        self.recording.note_kill(known.at, &known.kill);
    }

    /// The same before all is known: it is written down at once, and told once more is known.
    pub(crate) fn take_kill_at_once(&self, at: ClockReading, kill: OomKill) {
        let known = self.hear_of_kill(at, kill);
        self.recording.note_kill(known.at, &known.kill);
    }

    /// Whether the hook's victim was killed, or was dying by itself.
    pub(crate) fn is_kill(&self, pid: u64, at: ClockReading, of_host: Option<u64>) -> bool {
        let count = self.kills_counted(|| of_host);
        // Where kills of a container are not counted its log tells them apart.
        let is_told_elsewhere =
            !self.host.watched.is_host() && count.is_none() && self.log_failure().is_none();
        !is_told_elsewhere && self.host.kills.is_kill(pid, at, count)
    }

    /// Whether a kill that the log names was one, and of what is watched. Of a container that knows the name that its own
    /// control group has there, the name tells. Else it is one of those that the hook has told or the kernel has
    /// counted, on the host or in the container, or somebody else's, or nobody's: users have a say in what the log says.
    pub(crate) fn is_kill_of_log(
        &self,
        at: ClockReading,
        pid: Option<u64>,
        cgroup: Option<&str>,
        of_host: impl FnOnce() -> Option<u64>,
    ) -> bool {
        let by_name = self.host.watched.has_victim_of_log(cgroup);
        by_name.unwrap_or_else(|| {
            let count = self.kills_counted(of_host);
            self.host.kills.is_counted(pid, at, count)
        })
    }

    /// Takes the kernel's count of kills as it was read since that moment, which is without the name of a victim.
    /// Of a container it is read from a file: not for the event loop.
    pub(crate) fn count_kills(&self, since: ClockReading, of_host: Option<u64>) {
        let count = self.kills_counted(|| of_host);
        if self.host.kills.count([since, recording::now()], count) {
            self.with_engine(|engine| engine.witness_oom_kill(&OomKill::default()));
        }
    }

    /// Of the whole host, or of the container alone.
    fn kills_counted(&self, of_host: impl FnOnce() -> Option<u64>) -> Option<u64> {
        match &self.host.kills_of_container {
            Some(kills) => kills.count(),
            None => of_host(),
        }
    }

    /// Says, once, that victims of the OOM killer are not told any more.
    pub(crate) fn lose_victims(&self, reason: &str) {
        tracing::warn!(
            "cannot hear of victims of the OOM killer: {reason}; the kernel's log alone tells of them"
        );
        if let Some(kernel) = self.kernel().as_ref() {
            kernel.lose_victims();
        }
    }

    /// Says, once, that the kernel's log is not read.
    pub(crate) fn lose_kernel_log(&self, reason: &str) {
        let has_victims = self.kernel().as_ref().is_some_and(Kernel::has_victims);
        let told = if has_victims {
            "who is killed for want of memory is told by the hook on the OOM killer"
        } else {
            "OOM kills are counted, but who was killed is not known"
        };
        tracing::warn!("cannot read the kernel's log: {reason}; {told}");
        *self.log_failure() = Some(reason.to_owned());
    }

    /// Why the kernel's log is not read; `None` while it is.
    pub(crate) fn log_failure(&self) -> MutexGuard<'_, Option<String>> {
        lock(&self.host.kernel_log_failure)
    }
}
