//! One kill, put together line by line.

use super::Span;
use crate::message::{OomLine, Task, TaskMemory};
use crate::report::{Chosen, Kill, Memory, Scope, Victim};
use detector_api::sanitize;

/// Where a line stood.
pub(super) struct At<'a> {
    pub(super) name: Option<String>,
    pub(super) span: &'a Span,
    pub(super) number: u64,
}

/// A kill, and which lines it is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) kill: Kill,
    /// Number of the line that names the victim.
    pub(super) line: u64,
    pub(super) chosen: Option<Task>,
    pub(super) is_record_seen: bool,
    is_invoker_seen: bool,
    /// The limit of a group is named as the reason.
    is_limit_seen: bool,
    /// Not all of the host's memory could be taken: a CPU set or a policy allows no more.
    is_part_of_host: bool,
}

impl Draft {
    pub(super) fn set_place(&mut self, of: &At<'_>) {
        self.kill.time = of.span.times().0;
        self.kill.host.clone_from(&of.name);
        self.line = of.number;
    }

    pub(super) fn add(&mut self, line: OomLine) {
        let kill = &mut self.kill;
        match line {
            OomLine::Invoked(by) => {
                self.is_invoker_seen = true;
                kill.invoked_by = by.map(|by| sanitize::text(&by));
            }
            OomLine::Task(pid, name) => {
                // The first one after the call, if it is the same.
                let is_it = kill.invoked_by.as_deref() == Some(sanitize::text(&name).as_str());
                if is_it && kill.invoked_by_pid.is_none() {
                    kill.invoked_by_pid = Some(pid);
                }
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
                        "file" => kill.cgroup_file_bytes = Some(bytes),
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
                self.is_part_of_host = is_cgroup.is_none();
                if let Some(is_cgroup) = is_cgroup {
                    self.set_scope(is_cgroup);
                }
                self.chosen = Some(chosen);
            }
            OomLine::Chosen { chosen, is_cgroup } => {
                self.set_scope(is_cgroup);
                self.chosen = Some(chosen);
            }
            OomLine::TaskOf { cgroup, limited } => {
                kill.cgroup = Some(sanitize::text(&cgroup));
                kill.limited_cgroup = Some(sanitize::text(&limited));
                self.is_limit_seen = true;
                self.set_scope(true);
            }
            OomLine::Killed { .. } | OomLine::Reaped(_) | OomLine::Group(_) | OomLine::NoVictim => {
            }
        }
    }

    /// What is not known yet.
    pub(super) fn add_memory(&mut self, more: &TaskMemory) {
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

    /// The same words are written for the host and for what a CPU set has of it.
    pub(super) fn set_scope(&mut self, is_cgroup: bool) {
        self.kill.scope = match is_cgroup {
            true => Scope::Cgroup,
            false if self.is_part_of_host => Scope::Unknown,
            false => Scope::Host,
        };
    }

    /// Whether somebody was to be killed.
    pub(super) const fn is_call(&self) -> bool {
        self.is_invoker_seen || self.is_record_seen || self.is_limit_seen || self.chosen.is_some()
    }

    /// Who was to be killed, where the log says it, and for want of what.
    pub(super) fn into_chosen(self) -> Option<Chosen> {
        let victim = named(&self.chosen?);
        Some(Chosen {
            pid: victim.pid,
            name: victim.name,
            scope: self.kill.scope,
            cgroup: self.kill.cgroup,
            limited_cgroup: self.kill.limited_cgroup,
            usage_bytes: self.kill.usage_bytes,
            limit_bytes: self.kill.limit_bytes,
        })
    }

    pub(super) fn set_victim(&mut self, victim: Task) {
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
    pub(super) fn finish(self) -> Kill {
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
