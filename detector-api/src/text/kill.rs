//! A process that the kernel killed for want of memory.

use crate::recorded::{KillScope, OomKill};
use crate::units;

/// `the kernel killed httpd[870] of /system.slice/httpd.service for want of memory: 212 MB anonymous, …`
#[must_use]
pub fn oom_kill(kill: &OomKill) -> String {
    let mut text = format!(
        "the kernel killed {}",
        kill.name.as_deref().unwrap_or("a process")
    );
    if let Some(pid) = kill.pid {
        text += &format!("[{pid}]");
    }
    if let Some(place) = place(kill) {
        text += &format!(" of {place}");
    }
    text += match kill.scope {
        KillScope::ControlGroup => AT_LIMIT,
        KillScope::Host | KillScope::Unknown => " for want of memory",
    };
    text + &held(kill)
}

/// ` at the memory limit of its control group: 212 MB anonymous; the limit was 268 MB`, if it was so.
#[must_use]
pub fn oom_kill_at_limit(kill: &OomKill) -> Option<String> {
    let is_at_limit = kill.scope == KillScope::ControlGroup;
    is_at_limit.then(|| format!("{AT_LIMIT}{}", held(kill)))
}

const AT_LIMIT: &str = " at the memory limit of its control group";

/// The control group, and the unit or container where that says something else.
fn place(kill: &OomKill) -> Option<String> {
    let cgroup = kill.cgroup.as_deref().filter(|cgroup| *cgroup != "/");
    match (kill.unit.as_deref(), cgroup) {
        (Some(unit), Some(cgroup)) if !cgroup.ends_with(unit) => Some(format!("{unit} ({cgroup})")),
        (_, Some(cgroup)) => Some(cgroup.to_owned()),
        (unit, None) => unit.map(str::to_owned),
    }
}

/// `: 212 MB anonymous, 4.2 MB sockets of the control group; the limit was 268 MB`
fn held(kill: &OomKill) -> String {
    let held = [
        (kill.anonymous_bytes, "anonymous"),
        (kill.file_bytes, "of files"),
        (kill.shared_bytes, "shared"),
        (kill.socket_bytes, "sockets of the control group"),
    ];
    let held: Vec<_> = held
        .into_iter()
        .filter_map(|(bytes, what)| {
            let bytes = bytes.filter(|&bytes| bytes > 0)?;
            Some(format!("{} {what}", units::bytes(bytes)))
        })
        .collect();
    let mut text = String::new();
    if !held.is_empty() {
        text += &format!(": {}", held.join(", "));
    }
    if let Some(limit) = kill.limit_bytes.filter(|_| kill.scope != KillScope::Host) {
        text += &format!("; the limit was {}", units::bytes(limit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{oom_kill, oom_kill_at_limit};
    use crate::recorded::{KillScope, OomKill};

    #[test]
    fn a_kill_is_told_with_what_is_known() {
        let bare = OomKill {
            pid: Some(870),
            name: Some("httpd".to_owned()),
            ..OomKill::default()
        };
        assert_eq!(
            oom_kill(&bare),
            "the kernel killed httpd[870] for want of memory"
        );
        assert_eq!(oom_kill_at_limit(&bare), None);
        assert_eq!(
            oom_kill(&OomKill::default()),
            "the kernel killed a process for want of memory"
        );
        let known = OomKill {
            unit: Some("httpd.service".to_owned()),
            cgroup: Some("/system.slice/httpd.service".to_owned()),
            scope: KillScope::ControlGroup,
            anonymous_bytes: Some(212_000_000),
            file_bytes: Some(0),
            socket_bytes: Some(4_200_000),
            limit_bytes: Some(268_435_456),
            ..bare
        };
        let at_limit = " at the memory limit of its control group: 212 MB anonymous, 4.2 MB sockets of \
                        the control group; the limit was 268 MB";
        assert_eq!(
            oom_kill(&known),
            format!("the kernel killed httpd[870] of /system.slice/httpd.service{at_limit}")
        );
        assert_eq!(oom_kill_at_limit(&known).as_deref(), Some(at_limit));
        let in_container = OomKill {
            unit: Some("docker:3f2ab9c07d5e".to_owned()),
            cgroup: Some("/docker/3f2ab9c07d5e4f10".to_owned()),
            scope: KillScope::Host,
            anonymous_bytes: None,
            socket_bytes: None,
            ..known
        };
        // The limit that was not reached says nothing.
        assert_eq!(
            oom_kill(&in_container),
            "the kernel killed httpd[870] of docker:3f2ab9c07d5e (/docker/3f2ab9c07d5e4f10) for want of \
             memory"
        );
    }

    #[test]
    fn of_two_sources_the_first_counts_and_the_other_fills_in() {
        let log = OomKill {
            pid: Some(870),
            scope: KillScope::ControlGroup,
            anonymous_bytes: Some(1),
            by_log: true,
            ..OomKill::default()
        };
        let hook = OomKill {
            unit: Some("httpd.service".to_owned()),
            scope: KillScope::Host,
            anonymous_bytes: Some(2),
            by_hook: true,
            ..OomKill::default()
        };
        let expected = OomKill {
            unit: hook.unit.clone(),
            by_hook: true,
            ..log.clone()
        };
        assert_eq!(log.clone().or(hook.clone()), expected);
        assert_eq!(OomKill::default().or(hook.clone()), hook);
    }
}
