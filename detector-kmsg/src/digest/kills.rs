//! OOM kills: the lines of one report put together, in whichever direction the log runs.

use super::draft::{At, Draft};
use super::{Place, Span};
use crate::message::{OomLine, Task, TaskMemory};
use crate::report::{Chosen, Kill, LogReport, Scope};

/// Kills that are kept.
const MOST: usize = 4096;
/// Kills in which the line of the reaper is looked for: it comes soon.
const LOOKED_BACK: usize = 16;

/// Lines that wait for the log to say which way it runs.
const MOST_WAITING: usize = 1 << 15;

/// Kills of all hosts: lines of one do not belong to reports of another, however they are mixed.
#[derive(Default)]
pub(super) struct KillsOfHosts {
    waiting: Vec<Waiting>,
    /// By number of the host.
    each: Vec<Kills>,
    /// To whom a line belongs that names no host.
    newest: usize,
    wanted: u32,
}

/// A line and where it stood.
struct Waiting {
    line: OomLine,
    host: usize,
    name: Option<String>,
    span: Span,
    number: u64,
}

impl KillsOfHosts {
    /// How many of the next lines may belong to a report that is being read.
    pub(super) const fn lines_wanted(&mut self) -> u32 {
        std::mem::replace(&mut self.wanted, 0)
    }

    pub(super) fn take(&mut self, line: OomLine, is_backwards: bool, of: &Place<'_>) {
        const REPORT: u32 = 160;
        if of.host.name().is_some() {
            self.newest = of.host.number();
        }
        if !matches!(line, OomLine::Stats(_)) {
            self.wanted = REPORT;
        }
        self.waiting.push(Waiting {
            line,
            host: self.newest,
            name: of.host.name().map(str::to_owned),
            span: of.span.clone(),
            number: of.line,
        });
        if self.waiting.len() >= MOST_WAITING {
            self.put_together(is_backwards);
        }
    }

    /// Puts what waits together, in the order of time.
    fn put_together(&mut self, is_backwards: bool) {
        let mut waiting = std::mem::take(&mut self.waiting);
        if is_backwards {
            waiting.reverse();
        }
        for Waiting {
            line,
            host,
            name,
            span,
            number,
        } in waiting
        {
            if self.each.len() <= host {
                self.each.resize_with(host + 1, Kills::default);
            }
            let of = At {
                name,
                span: &span,
                number,
            };
            self.each[host].take(line, &of);
        }
    }

    /// Which way the lines of reports stand: below zero if from the last to the first.
    pub(super) fn direction(&self) -> i64 {
        // Who is chosen, then who is killed, then whose memory is freed.
        let step = |waiting: &Waiting| match &waiting.line {
            OomLine::Record { chosen, .. } | OomLine::Chosen { chosen, .. } => {
                Some((0, chosen.pid))
            }
            OomLine::Killed { victim, .. } => Some((1, victim.pid)),
            OomLine::Reaped(task) => Some((2, task.pid)),
            _ => None,
        };
        let mut votes = 0_i64;
        for pair in self.waiting.windows(2) {
            if let (Some((first, whose)), Some((second, of))) = (step(&pair[0]), step(&pair[1])) {
                let weight = if whose == of { 4 } else { 1 };
                votes += weight * i64::from(second - first).signum();
            }
        }
        votes
    }

    /// Puts the kills into the report in the order of time.
    pub(super) fn finish(mut self, is_backwards: bool, report: &mut LogReport) {
        self.put_together(is_backwards);
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
    spared: Vec<Chosen>,
    /// The report that is being read, its victim not known yet.
    open: Option<Draft>,
    /// All of this cgroup are killed, not one.
    group: Option<String>,
}

impl Kills {
    fn take(&mut self, line: OomLine, of: &At<'_>) {
        match line {
            OomLine::Killed {
                victim,
                is_cgroup,
                memory,
            } => self.killed(victim, is_cgroup, &memory, of),
            OomLine::Reaped(task) => self.reaped(task, of),
            OomLine::NoVictim => self.end_open(),
            OomLine::Group(cgroup) => self.group = Some(cgroup),
            other => self.part(other),
        }
    }

    fn killed(&mut self, victim: Task, is_cgroup: Option<bool>, memory: &TaskMemory, of: &At<'_>) {
        // One of the host's is of no group, unless the group is that of the host's victim; lines of groups name none.
        let is_hosts = { self.done.last() }.is_some_and(|last| last.kill.scope == Scope::Host);
        if is_cgroup == Some(false) && !is_hosts {
            self.group = None;
        }
        let is_group = self.open.is_none() && self.group.is_some();
        let is_it = |draft: &&mut Draft| draft.kill.victim.pid == victim.pid;
        // The first of a group is told twice.
        if is_group
            && self
                .done
                .iter_mut()
                .rev()
                .take(1)
                .any(|draft| is_it(&draft))
        {
            return;
        }
        let mut draft = self.open.take().unwrap_or_default();
        if is_group && let Some(first) = self.done.last() {
            // The same call, at the same limit.
            let of = &first.kill;
            draft.kill = Kill {
                invoked_by: of.invoked_by.clone(),
                invoked_by_pid: of.invoked_by_pid,
                cgroup: self.group.clone(),
                limited_cgroup: of.limited_cgroup.clone(),
                usage_bytes: of.usage_bytes,
                limit_bytes: of.limit_bytes,
                socket_bytes: of.socket_bytes,
                cgroup_anonymous_bytes: of.cgroup_anonymous_bytes,
                cgroup_file_bytes: of.cgroup_file_bytes,
                ..Kill::default()
            };
        }
        draft.set_place(of);
        draft.add_memory(memory);
        if let Some(is_cgroup) = is_cgroup {
            draft.set_scope(is_cgroup);
        }
        draft.set_victim(victim);
        self.push(draft);
    }

    fn reaped(&mut self, task: Task, of: &At<'_>) {
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
    fn part(&mut self, line: OomLine) {
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
        if matches!(line, OomLine::Stats(_) | OomLine::Task(..)) && self.open.is_none() {
            return;
        }
        self.group = None;
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
        self.without_victim += u64::from(open.is_call());
        if self.spared.len() < MOST {
            self.spared.extend(open.into_chosen());
        }
    }
}
