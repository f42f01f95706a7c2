//! The thread that waits for victims of the OOM killer, and looks at each while it is alive.

use crate::host::owner::VictimReader;
use crate::host::pid_namespace;
use crate::kernel::{Heard, Victim, Victims};
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
    let hearing = Hearing {
        reader: VictimReader::open(Path::new("/proc"))?,
        sees_all: pid_namespace::is_first(),
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
    fn take(&self, heard: Heard) {
        match heard {
            Heard::Victim(victim) => self.take_victim(&victim),
            // Counted as one of any other hook is.
            Heard::Refused => self.state.engine().refuse_record(),
            Heard::Stopped => {}
        }
    }

    fn take_victim(&self, victim: &Victim) {
        // Before all else: it may be gone in a millisecond.
        let seen = self.look(victim);
        let at = now();
        let kill = of_hook(victim).or(seen);
        let pid = u64::from(victim.pid);
        if self.state.host.watched.has_victim(kill.cgroup.as_deref())
            && self.state.host.kills.is_kill(pid, at, self.reader.count())
        {
            self.state.take_kill(at, kill);
        }
    }

    /// At the process itself, and where it is gone or out of sight at its control group.
    fn look(&self, victim: &Victim) -> OomKill {
        let seen = if self.sees_all {
            self.reader.look(victim.pid)
        } else {
            OomKill::default()
        };
        match victim.control_group {
            Some(group) if seen.cgroup.is_none() => seen.or(self.reader.look_into(group)),
            _ => seen,
        }
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
mod tests {
    use super::Hearing;
    use crate::config::Config;
    use crate::host::owner::VictimReader;
    use crate::kernel::{Heard, Victim};
    use crate::state::tests::state;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_victim_that_is_gone_is_placed_by_its_group_and_a_record_that_is_none_is_counted() {
        let host = tempfile::tempdir().unwrap();
        let at = |name: &str| host.path().join(name);
        fs::create_dir_all(at("self")).unwrap();
        fs::create_dir_all(at("groups/web.service")).unwrap();
        let mounts = format!(
            "41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n",
            at("groups").display()
        );
        fs::write(at("self/mountinfo"), mounts).unwrap();
        let (state, _pings) = state(&Config::default());
        let mut hearing = Hearing {
            state,
            reader: VictimReader::open(host.path()).unwrap(),
            sees_all: true,
        };
        let victim = Victim {
            pid: 870,
            control_group: Some(fs::metadata(at("groups/web.service")).unwrap().ino()),
            ..Victim::default()
        };
        let unit = |hearing: &Hearing, victim: &Victim| hearing.look(victim).unit;
        assert_eq!(unit(&hearing, &victim).as_deref(), Some("web.service"));
        let nameless = Victim {
            control_group: None,
            ..victim.clone()
        };
        assert_eq!(unit(&hearing, &nameless), None);
        // There is such a process in sight, but it is not that one.
        fs::create_dir_all(at("870")).unwrap();
        fs::write(at("870/cgroup"), "0::/other.service\n").unwrap();
        fs::write(at("870/statm"), "9 9 9 9 0 9 0\n").unwrap();
        assert_eq!(unit(&hearing, &victim).as_deref(), Some("other.service"));
        hearing.sees_all = false;
        assert_eq!(unit(&hearing, &victim).as_deref(), Some("web.service"));

        let refused = || hearing.state.engine().totals().records_refused;
        hearing.take(Heard::Victim(victim));
        assert_eq!(refused(), 0);
        hearing.take(Heard::Refused);
        assert_eq!(refused(), 1);
    }
}
