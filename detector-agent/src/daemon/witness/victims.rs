//! The thread that waits for victims of the OOM killer, and looks at each while it is alive.

use crate::host::owner::VictimReader;
use crate::kernel::{Heard, Victim, Victims};
use crate::namespace::pid;
use crate::privilege::outside;
use crate::recording::now;
use crate::state::AgentState;
use detector_api::recorded::OomKill;
use detector_api::sanitize;
use detector_recorder::ClockReading;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Starts it.
pub(super) fn start(state: Arc<AgentState>, mut victims: Victims) -> io::Result<()> {
    let mut hearing = Hearing {
        // Control groups of the host may be mounted where Landlock lets nobody look.
        reader: outside::run("victims", || VictimReader::open(Path::new("/proc")))??,
        sees_all: pid::is_first(),
        state,
    };
    outside::spawn("victims", move || {
        loop {
            match victims.wait() {
                Ok(Heard::Stopped) => return,
                Ok(heard) => hearing.take(heard),
                Err(errno) => return hearing.state.lose_victims(&errno.to_string()),
            }
        }
    })?;
    Ok(())
}

struct Hearing {
    state: Arc<AgentState>,
    reader: VictimReader,
    /// From another PID namespace the kernel's number is somebody else's, or nobody's.
    sees_all: bool,
}

impl Hearing {
    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Victim(victim) => self.take_victim(&victim),
            // Counted as one of any other hook is.
            Heard::Refused => self.state.engine().refuse_record(),
            Heard::Stopped => {}
        }
    }

    fn take_victim(&mut self, victim: &Victim) {
        let at = now();
        // First of all: it may be gone in a millisecond.
        let seen = if self.sees_all {
            self.reader.look(victim.pid)
        } else {
            OomKill::default()
        };
        let kill = of_hook(victim).or(seen);
        // Where the process is gone or out of sight, its control group tells where it was.
        let group = victim.control_group.filter(|_| kill.cgroup.is_none());
        let Some(group) = group else {
            if self.is_ours(victim, at, &kill) {
                self.state.take_kill(at, kill);
            }
            return;
        };
        // It takes a while to find: a host may not live as long. Whether it is a container's, nothing else tells.
        let is_host = self.state.host.watched.is_host();
        if is_host {
            if !self.is_ours(victim, at, &kill) {
                return;
            }
            self.state.take_kill_at_once(at, kill.clone());
        }
        let kill = kill.or(self.reader.look_into(group));
        if is_host || self.is_ours(victim, at, &kill) {
            self.state.take_kill(at, kill);
        }
    }

    /// Whether it was a kill, and of what is watched.
    fn is_ours(&self, victim: &Victim, at: ClockReading, kill: &OomKill) -> bool {
        self.state.host.watched.has_victim(kill.cgroup.as_deref())
            && self
                .state
                .is_kill(victim.pid.into(), at, self.reader.count())
    }
}

/// What the hook itself tells.
fn of_hook(victim: &Victim) -> OomKill {
    OomKill {
        pid: Some(victim.pid.into()),
        name: victim.name.as_deref().map(sanitize::text),
        anonymous_bytes: victim.anonymous_bytes,
        file_bytes: victim.file_bytes,
        shared_bytes: victim.shared_bytes,
        by_hook: true,
        ..OomKill::default()
    }
}

#[cfg(test)]
mod tests;
