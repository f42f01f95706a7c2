//! The report of an OOM kill, put together of lines each of which is a record of its own.
//!
//! A user calls tasks and files what he likes, and the kernel begins some messages with such a name: `NAME[870]:
//! segfault at 0 … in FILE[…]`. So nothing within a record is another one, and a line counts only if more of the
//! kernel's own words stand at its beginning than fit into a name, or if it is as no such message can be.

use crate::host::owner;
use detector_api::recorded::{KillScope, OomKill};
use detector_api::sanitize;
use detector_kmsg::message::{Message, OomLine, Parsed, Task, TaskMemory};

/// Kills of one report that are kept: of a whole control group, each process is one.
const MOST: usize = 4_096;
/// A task's name has 15 bytes at most.
const RECORD: &str = "oom-kill:constraint=";
const VICTIMS: [&str; 3] = [
    "Out of memory: Killed process ",
    "Out of memory (oom_kill_allocating_task): Killed process ",
    "Memory cgroup out of memory: Killed process ",
];
const NO_VICTIM: &str = "Out of memory and no killable process";
/// Where a message that begins with the name of a task has a file's, that is not its end.
const GROUP_END: &str = " are going to be killed due to memory.oom.group set";

/// What the kernel itself says of an OOM kill in this record, if anything.
pub(super) fn line<'a>(text: &str, parsed: &'a Parsed<'_>) -> Option<&'a OomLine> {
    let Parsed::Message(Message::Oom(line), _) = parsed else {
        return None;
    };
    let is_of_kernel = match line {
        OomLine::Record { .. } => text.starts_with(RECORD),
        OomLine::Killed { .. } => VICTIMS.iter().any(|words| text.starts_with(words)),
        OomLine::NoVictim => text.starts_with(NO_VICTIM),
        OomLine::Group(_) => text.ends_with(GROUP_END),
        // A number stands where a task's follows its name in brackets, or there is nothing else.
        OomLine::Usage { .. } | OomLine::Stats(_) => true,
        // It names nobody who was killed: see `Report::take`.
        OomLine::Invoked(_) => true,
        // Of kernels before these, or of no use here.
        OomLine::Task(..)
        | OomLine::StatsOf(_)
        | OomLine::Chosen { .. }
        | OomLine::TaskOf { .. }
        | OomLine::Reaped(_) => false,
    };
    is_of_kernel.then_some(line)
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Report {
    kills: Vec<OomKill>,
    /// What is told of a kill before its victim is.
    open: Option<Open>,
    /// All of this control group are killed, not one.
    group: Option<String>,
}

#[derive(Debug, Default)]
struct Open {
    /// Who is chosen is told; no more comes but the victim.
    is_chosen: bool,
    kill: OomKill,
}

impl Report {
    /// Takes what [`line`] found.
    pub(super) fn take(&mut self, line: &OomLine) {
        match line {
            OomLine::Killed {
                victim,
                is_cgroup,
                memory,
            } => self.killed(victim, *is_cgroup, memory),
            OomLine::Group(cgroup) => self.group = Some(sanitize::text(cgroup)),
            OomLine::NoVictim => self.open = None,
            OomLine::Invoked(_) => {
                // The victim of the last one was dying by itself. In the middle of a report this ends nothing: it
                // begins with a task's name.
                self.open.take_if(|open| open.is_chosen);
                self.open.get_or_insert_default();
            }
            OomLine::Usage { limit, .. } => self.part().limit_bytes = Some(*limit),
            OomLine::Stats(stats) => {
                // Numbers say nothing without the head above them.
                if let Some(open) = &mut self.open
                    && let Some((_, bytes)) = stats.iter().find(|(name, _)| name == "sock")
                {
                    open.kill.socket_bytes = Some(*bytes);
                }
            }
            OomLine::Record {
                is_cgroup, cgroup, ..
            } => {
                self.open.take_if(|open| open.is_chosen);
                let kill = self.part();
                kill.scope = is_cgroup.map_or(kill.scope, scope);
                kill.cgroup = cgroup.as_deref().map(sanitize::text);
                kill.unit = kill.cgroup.as_deref().and_then(owner::unit_of);
                if let Some(open) = &mut self.open {
                    open.is_chosen = true;
                }
            }
            _ => {}
        }
    }

    /// What it tells, each kill once.
    pub(super) fn finish(self) -> Vec<OomKill> {
        self.kills
    }

    fn part(&mut self) -> &mut OomKill {
        self.group = None;
        &mut self.open.get_or_insert_default().kill
    }

    fn killed(&mut self, victim: &Task, is_cgroup: Option<bool>, memory: &TaskMemory) {
        // One of the host's is of no group.
        let group = self
            .group
            .take_if(|_| self.open.is_none() && is_cgroup == Some(true));
        let last = self.kills.last();
        let told = match (self.open.take(), &group) {
            // The first of a group is told twice.
            (None, Some(_)) if last.is_some_and(|last| last.pid == victim.pid) => {
                self.group = group;
                return;
            }
            // The same call, at the same limit.
            (None, Some(cgroup)) => OomKill {
                unit: owner::unit_of(cgroup),
                cgroup: Some(cgroup.clone()),
                socket_bytes: last.and_then(|last| last.socket_bytes),
                limit_bytes: last.and_then(|last| last.limit_bytes),
                ..OomKill::default()
            },
            (open, _) => open.map_or_else(OomKill::default, |open| open.kill),
        };
        self.group = group;
        if self.kills.len() < MOST {
            let of_line = of_line(victim);
            self.kills.push(OomKill {
                pid: of_line.pid,
                name: of_line.name,
                scope: is_cgroup.map_or(told.scope, scope),
                anonymous_bytes: memory.anonymous,
                file_bytes: memory.file,
                shared_bytes: memory.shared,
                by_log: true,
                ..told
            });
        }
    }
}

/// What the line of a victim tells before the report is complete; only then is it told by the log.
pub(super) fn of_line(victim: &Task) -> OomKill {
    OomKill {
        pid: victim.pid,
        name: Some(sanitize::text(&victim.name)).filter(|name| !name.is_empty()),
        ..OomKill::default()
    }
}

const fn scope(is_cgroup: bool) -> KillScope {
    if is_cgroup {
        KillScope::ControlGroup
    } else {
        KillScope::Host
    }
}

#[cfg(test)]
mod tests;
