//! The thread that waits for victims of the OOM killer, and looks at each while it is alive.

use crate::host::owner::VictimReader;
use crate::host::pid_namespace;
use crate::kernel::{Victim, Victims};
use crate::privilege::outside;
use crate::recording::now;
use crate::state::AgentState;
use detector_api::recorded::OomKill;
use detector_api::sanitize;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Starts it.
pub(super) fn start(state: Arc<AgentState>, mut victims: Victims) -> io::Result<()> {
    let reader = VictimReader::open(Path::new("/proc"))?;
    // From another PID namespace the kernel's number is somebody else's, or nobody's.
    let sees_all = pid_namespace::is_first();
    outside::spawn("victims", move || {
        loop {
            match victims.wait() {
                Ok(Some(victim)) => take(&state, &reader, &victim, sees_all),
                Ok(None) => return,
                Err(errno) => return state.lose_victims(&errno.to_string()),
            }
        }
    })?;
    Ok(())
}

fn take(state: &AgentState, reader: &VictimReader, victim: &Victim, sees_all: bool) {
    // Before all else: it may be gone in a millisecond.
    let seen = if sees_all {
        reader.look(victim.pid)
    } else {
        OomKill::default()
    };
    let at = now();
    let kill = of_hook(victim).or(seen);
    let pid = u64::from(victim.pid);
    if state.watched.has_victim(kill.cgroup.as_deref())
        && state.kills.is_kill(pid, at, reader.count())
    {
        state.take_kill(at, kill);
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
