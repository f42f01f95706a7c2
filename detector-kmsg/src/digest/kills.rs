//! OOM kills: the lines of one report put together, in whichever direction the log runs.

use super::Place;
use crate::message::{OomLine, Task, TaskMemory};
use crate::report::{Kill, Memory, Report, Scope, Victim};
use detector_api::sanitize;

/// Kills that are kept.
const MOST: usize = 4096;
/// Kills in which the line of the reaper is looked for: it comes soon.
const LOOKED_BACK: usize = 16;

/// Kills of all hosts: lines of one do not belong to reports of another, however they are mixed.
#[derive(Default)]
pub(super) struct KillsOfHosts {
    /// By number of the host.
    each: Vec<Kills>,
    /// To whom a line belongs that names no host.
    newest: usize,
}

impl KillsOfHosts {
    /// How many of the next lines may belong to a report that is being read.
    pub(super) fn lines_wanted(&self) -> u32 {
        let wanted = self.each.iter().map(Kills::lines_wanted);
        wanted.max().unwrap_or(0)
    }

    pub(super) fn take(&mut self, line: OomLine, is_backwards: bool, of: &Place<'_>) {
        if of.host.name().is_some() {
            self.newest = of.host.number();
        }
        if self.each.len() <= self.newest {
            self.each.resize_with(self.newest + 1, Kills::default);
        }
        self.each[self.newest].take(line, is_backwards, of);
    }

    /// Puts the kills into the report in the order of time.
    pub(super) fn finish(self, is_backwards: bool, report: &mut Report) {
        let mut done = Vec::new();
        for mut kills in self.each {
            kills.end_open();
            done.append(&mut kills.done);
            report.kills_not_listed += kills.not_kept;
            report.invocations_without_victim += kills.without_victim;
            report.chosen_without_kill.append(&mut kills.spared);
        }
        done.sort_by_key(|draft| draft.line);
        if is_backwards {
            done.reverse();
        }
        report.kills_not_listed += done.len().saturating_sub(MOST) as u64;
        done.truncate(MOST);
        report.kills = done.into_iter().map(Draft::finish).collect();
    }
}

#[derive(Default)]
struct Kills {
    done: Vec<Draft>,
    not_kept: u64,
    without_victim: u64,
    /// Who was chosen in those.
    spared: Vec<Victim>,
    /// The report that is being read, its victim not known yet.
    open: Option<Draft>,
    /// In a log that runs backwards: the last kill's other lines are still to come.
    is_tail_open: bool,
    /// The last line named a victim, and not what it held.
    is_bare: bool,
}

/// A kill, and which lines it is made of.
#[derive(Clone, Debug, Default)]
struct Draft {
    kill: Kill,
    /// Number of the line that names the victim.
    line: u64,
    chosen: Option<Task>,
    is_record_seen: bool,
    is_invoker_seen: bool,
    is_killed_seen: bool,
}

impl Kills {
    /// How many of the next lines may belong to the report that is being read.
    fn lines_wanted(&self) -> u32 {
        const REPORT: u32 = 160;
        let is_of_cgroup = |open: &Draft| open.kill.usage_bytes.is_some();
        if self.is_tail_open || self.open.as_ref().is_some_and(is_of_cgroup) {
            REPORT
        } else {
            u32::from(self.is_bare)
        }
    }

    fn take(&mut self, line: OomLine, is_backwards: bool, of: &Place<'_>) {
        self.is_bare = matches!(&line, OomLine::Killed { memory, .. } if memory.file.is_none());
        match line {
            OomLine::Killed {
                victim,
                is_cgroup,
                memory,
            } => {
                let mut draft = self.draft_for(&victim, is_backwards);
                draft.set_place(of);
                draft.is_killed_seen = true;
                draft.add_memory(&memory);
                if let Some(is_cgroup) = is_cgroup {
                    draft.set_scope(is_cgroup);
                }
                draft.set_victim(victim);
                self.push(draft);
                self.is_tail_open = is_backwards;
            }
            OomLine::KilledMemory(memory) => {
                if let Some(last) = self.done.last_mut() {
                    last.add_memory(&memory);
                }
            }
            OomLine::Reaped(task) => self.reaped(task, of),
            OomLine::NoVictim => {
                self.end_open();
            }
            other => self.part(other, is_backwards),
        }
    }

    /// What is known already of the kill of this process.
    fn draft_for(&mut self, victim: &Task, is_backwards: bool) -> Draft {
        let is_reaped_only = |last: &Draft| {
            !last.is_killed_seen && last.kill.victim.pid == victim.pid && victim.pid.is_some()
        };
        if is_backwards && self.done.last().is_some_and(is_reaped_only) {
            return self.done.pop().unwrap_or_default();
        }
        self.open.take().unwrap_or_default()
    }

    fn reaped(&mut self, task: Task, of: &Place<'_>) {
        let is_it = |draft: &&mut Draft| draft.kill.victim.pid == task.pid;
        if let Some(known) = self.done.iter_mut().rev().take(LOOKED_BACK).find(is_it) {
            known.kill.was_reaped = true;
            return;
        }
        let mut draft = Draft::default();
        draft.set_place(of);
        draft.kill.was_reaped = true;
        draft.set_victim(task);
        self.push(draft);
    }

    /// A line other than that of the victim.
    fn part(&mut self, line: OomLine, is_backwards: bool) {
        // The line that chooses comes before that of the same process's death, unless all runs
        // backwards.
        let chosen_pid = match &line {
            OomLine::Record { chosen, .. } | OomLine::Chosen { chosen, .. } => chosen.pid,
            _ => None,
        };
        if let Some(last) = self.done.last()
            && self.open.is_none()
            && chosen_pid.is_some()
            && last.kill.victim.pid == chosen_pid
            && !last.is_invoker_seen
            && last.chosen.is_none()
        {
            self.is_tail_open = true;
        }
        let is_invoker = matches!(line, OomLine::Invoked(_));
        if self.is_tail_open {
            if let Some(last) = self.done.last_mut() {
                last.add(line);
            }
            self.is_tail_open = !is_invoker;
            return;
        }
        if is_backwards {
            self.without_victim += u64::from(is_invoker);
            return;
        }
        let is_next = |open: &Draft| match &line {
            OomLine::Invoked(_) => true,
            OomLine::Record { .. } => open.is_record_seen,
            OomLine::Chosen { .. } => open.chosen.is_some() && !open.is_record_seen,
            _ => false,
        };
        if self.open.as_ref().is_some_and(is_next) {
            self.end_open();
        }
        // Lines with numbers say nothing without the head above them.
        if matches!(line, OomLine::Stats(_)) && self.open.is_none() {
            return;
        }
        self.open.get_or_insert_default().add(line);
    }

    fn push(&mut self, draft: Draft) {
        if self.done.len() < MOST {
            self.done.push(draft);
        } else {
            self.not_kept += 1;
        }
    }

    /// The log goes on and has no victim for what was begun.
    fn end_open(&mut self) {
        const MOST: usize = 256;
        let Some(open) = self.open.take() else { return };
        if open.is_invoker_seen || open.is_record_seen || open.chosen.is_some() {
            self.without_victim += 1;
        }
        if let Some(chosen) = open.chosen.filter(|_| self.spared.len() < MOST) {
            self.spared.push(named(&chosen));
        }
    }
}

impl Draft {
    fn set_place(&mut self, of: &Place<'_>) {
        self.kill.time = of.span.times().0;
        self.kill.host = of.host.name().map(str::to_owned);
        self.line = of.line;
    }

    fn add(&mut self, line: OomLine) {
        let kill = &mut self.kill;
        match line {
            OomLine::Invoked(by) => {
                self.is_invoker_seen = true;
                kill.invoked_by = by.map(|by| sanitize::text(&by));
            }
            OomLine::Usage { usage, limit } => {
                kill.usage_bytes = Some(usage);
                kill.limit_bytes = Some(limit);
            }
            OomLine::StatsOf(path) => {
                if let Some(path) = path.filter(|path| !path.is_empty()) {
                    kill.limited_cgroup = Some(sanitize::text(&path));
                }
            }
            OomLine::Stats(stats) => {
                for (name, bytes) in stats {
                    match name.as_str() {
                        "sock" => kill.socket_bytes = Some(bytes),
                        "anon" => kill.cgroup_anonymous_bytes = Some(bytes),
                        _ => {}
                    }
                }
            }
            OomLine::Record {
                chosen,
                is_cgroup,
                limited,
                cgroup,
            } => {
                self.is_record_seen = true;
                kill.uid = kill.uid.or(chosen.uid);
                kill.cgroup = cgroup.map(|path| sanitize::text(&path));
                if let Some(path) = limited {
                    kill.limited_cgroup = Some(sanitize::text(&path));
                }
                self.set_scope(is_cgroup);
                self.chosen = Some(chosen);
            }
            OomLine::Chosen { chosen, is_cgroup } => {
                self.set_scope(is_cgroup);
                self.chosen = Some(chosen);
            }
            OomLine::TaskOf { cgroup, limited } => {
                kill.cgroup = Some(sanitize::text(&cgroup));
                kill.limited_cgroup = Some(sanitize::text(&limited));
                self.set_scope(true);
            }
            OomLine::Killed { .. }
            | OomLine::KilledMemory(_)
            | OomLine::Reaped(_)
            | OomLine::NoVictim => {}
        }
    }

    /// What is not known yet.
    fn add_memory(&mut self, more: &TaskMemory) {
        let kill = &mut self.kill;
        let known = &kill.memory;
        kill.memory = Memory {
            total_vm_bytes: known.total_vm_bytes.or(more.total),
            anonymous_bytes: known.anonymous_bytes.or(more.anonymous),
            file_bytes: known.file_bytes.or(more.file),
            shared_bytes: known.shared_bytes.or(more.shared),
        };
        kill.score_adjustment = kill.score_adjustment.or(more.score_adjustment);
        kill.uid = kill.uid.or(more.uid);
    }

    fn set_scope(&mut self, is_cgroup: bool) {
        self.kill.scope = if is_cgroup {
            Scope::Cgroup
        } else {
            Scope::Host
        };
    }

    fn set_victim(&mut self, victim: Task) {
        // The user of the chosen one is not that of its child.
        let is_other = self
            .chosen
            .as_ref()
            .is_some_and(|chosen| chosen.pid != victim.pid);
        if victim.uid.is_some() || is_other {
            self.kill.uid = victim.uid;
        }
        self.kill.victim = named(&victim);
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "a share is shown with two digits"
    )]
    fn finish(self) -> Kill {
        let mut kill = self.kill;
        kill.chosen = self
            .chosen
            .filter(|chosen| chosen.pid != kill.victim.pid)
            .map(|chosen| named(&chosen));
        kill.socket_share = match (kill.socket_bytes, kill.limit_bytes) {
            (Some(bytes), Some(limit)) if limit > 0 => Some(bytes as f64 / limit as f64),
            _ => None,
        };
        kill
    }
}

fn named(task: &Task) -> Victim {
    Victim {
        pid: task.pid,
        name: sanitize::text(&task.name),
    }
}
