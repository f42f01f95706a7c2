//! The report of an OOM kill, line by line, from 2.2 to today.

mod groups;

use super::cursor::{Cursor, number_after};
use super::strangers;
use groups::{record, victims_and_limited};

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OomLine {
    /// `X invoked oom-killer`: whose allocation failed. Not the victim.
    Invoked(Option<String>),
    /// `CPU: 9 PID: 22232 Comm: nginx …`: of what writes the report, who invoked it.
    Task(u64, String),
    /// `Tasks in A are going to be killed due to memory.oom.group set`.
    Group(String),
    /// `memory: usage …kB, limit …kB`: of the cgroup, bytes.
    Usage {
        /// In use.
        usage: u64,
        /// The limit.
        limit: u64,
    },
    /// `Memory cgroup stats for PATH:`.
    StatsOf(Option<String>),
    /// Lines of `memory.stat`: name and bytes.
    Stats(Vec<(String, u64)>),
    /// `oom-kill:…` (from 5.0 on): who is to be killed, where, why.
    Record {
        /// Who.
        chosen: Task,
        /// Whether a cgroup's limit was hit; `None` if a CPU set or a policy allows no more of the host's memory.
        is_cgroup: Option<bool>,
        /// The cgroup whose limit was hit.
        limited: Option<String>,
        /// The victim's own cgroup.
        cgroup: Option<String>,
    },
    /// `Kill process … score … or sacrifice child`: chosen; a child may be killed instead.
    Chosen {
        /// Who.
        chosen: Task,
        /// Whether a cgroup's limit was hit.
        is_cgroup: bool,
    },
    /// `Task in A killed as a result of limit of B` (3.x, 4.x).
    TaskOf {
        /// The victim's own cgroup.
        cgroup: String,
        /// The cgroup whose limit was hit.
        limited: String,
    },
    /// `Killed process …`: the victim.
    Killed {
        /// Who.
        victim: Task,
        /// Whether a cgroup's limit was hit, where the line says it.
        is_cgroup: Option<bool>,
        /// What it held.
        memory: TaskMemory,
    },
    /// `oom_reaper: reaped process …`.
    Reaped(Task),
    /// Nobody could be killed.
    NoVictim,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Task {
    /// Its id.
    pub pid: Option<u64>,
    /// Its name, as the kernel cuts it.
    pub name: String,
    /// Its user.
    pub uid: Option<u64>,
}

/// What a process held, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TaskMemory {
    /// Its user, where the line with these numbers has it.
    pub uid: Option<u64>,
    /// Address space.
    pub total: Option<u64>,
    /// Anonymous memory.
    pub anonymous: Option<u64>,
    /// Mapped files.
    pub file: Option<u64>,
    /// Shared memory.
    pub shared: Option<u64>,
    /// Page tables.
    pub page_tables: Option<u64>,
    /// `oom_score_adj`.
    pub score_adjustment: Option<i64>,
}

/// Longest name of a task that is believed, with what `printk` makes of bytes that cannot be shown.
const LONGEST_NAME: usize = 64;

pub(super) fn line(text: &str) -> Option<OomLine> {
    if let Some(fields) = text.strip_prefix("oom-kill:") {
        return record(fields);
    }
    if let Some((by, _)) = text.split_once(" invoked oom-killer:")
        && is_name(by)
        && strangers::begin(by).is_none()
    {
        return Some(OomLine::Invoked(Some(by.to_owned())));
    }
    if let Some(by) = of_container_call(text) {
        return Some(OomLine::Invoked(Some(by.to_owned())));
    }
    if text.starts_with("oom-killer: gfp_mask=") {
        return Some(OomLine::Invoked(None));
    }
    if let Some(rest) = text.strip_prefix("oom_reaper: reaped process ") {
        return task(rest).map(|(task, _)| OomLine::Reaped(task));
    }
    if let Some(name) = text.strip_prefix("VM: killing process ") {
        return Some(OomLine::Killed {
            victim: Task {
                name: name.trim().chars().take(LONGEST_NAME).collect(),
                ..Task::default()
            },
            is_cgroup: None,
            memory: TaskMemory::default(),
        });
    }
    current(text)
        .or_else(|| cgroup(text))
        .or_else(|| killed(text))
}

/// `Pid: 13433, comm: mysqld Not tainted 2.6.32` and `CPU: 9 UID: 0 PID: 22232 Comm: nginx Not tainted
/// 5.0.0`.
fn current(text: &str) -> Option<OomLine> {
    let rest = text.strip_prefix("Pid: ").or_else(|| {
        let (_, rest) = text.strip_prefix("CPU: ")?.split_once("PID: ")?;
        Some(rest)
    })?;
    let mut cursor = Cursor(rest);
    let pid = cursor.digits().parse().ok()?;
    let rest = cursor.0.trim_start_matches([',', ' ']);
    let rest = rest
        .strip_prefix("comm: ")
        .or_else(|| rest.strip_prefix("Comm: "))?;
    let end = [" Not tainted", " Tainted:", " Kdump:"]
        .iter()
        .filter_map(|end| rest.find(end))
        .min();
    let name = rest[..end.unwrap_or(rest.len())].trim_end();
    is_name(name).then(|| OomLine::Task(pid, name.to_owned()))
}

/// Whether this can be the name of a task, and is not that of a program with its process.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && (!name.contains(": ") || has_colon(name))
}

/// Whether this can be a task's name that has a colon, such as `tmux: server`. A program's name and another's may read
/// so, too.
pub(super) fn has_colon(name: &str) -> bool {
    const LONGEST_COMM: usize = 15;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let first = name.split_once(": ");
    name.len() <= LONGEST_COMM && first.is_some_and(|(first, _)| first.chars().all(is_part))
}

/// Whether this is the beginning of such a line, which goes on in the next one or is cut.
pub(super) fn is_cut(text: &str) -> bool {
    if let Some(fields) = text.strip_prefix("oom-kill:") {
        // Only a name may have blanks.
        return !fields.contains(' ') || fields.contains(",task=");
    }
    if let Some(rest) = text.strip_prefix("oom_reaper: reaped process ") {
        let name = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_name = name.starts_with(" (") && !name.contains(')');
        return name.len() < rest.len() && (name.trim().is_empty() || is_name);
    }
    let starts = text
        .split_once("illed process ")
        .or_else(|| text.split_once("ill process "));
    starts.is_some_and(|(before, rest)| {
        let is_start =
            matches!(before, "K" | "k") || before.ends_with(": K") || before.ends_with(": k");
        let name = rest
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .trim_start();
        is_start && (name.is_empty() || name.starts_with('(') && !name.contains(')'))
    })
}

/// Lines that name a process to be killed, with or without why before it.
fn killed(text: &str) -> Option<OomLine> {
    let is_cgroup = text.starts_with("Memory cgroup out of memory");
    let is_host = ["Out of memory", "Out of Memory", "No available memory"]
        .iter()
        .any(|beginning| text.starts_with(beginning));
    if let Some((before, rest)) = text.split_once("OOM killed process ") {
        return of_container(before, rest);
    }
    let body = if is_cgroup || is_host {
        if text.contains("no killable process") {
            return Some(OomLine::NoVictim);
        }
        text.split_once(": ")?.1
    } else {
        text
    };
    if let Some(rest) = body.strip_prefix("Killed process ") {
        let (victim, tail) = task(rest)?;
        return Some(OomLine::Killed {
            victim,
            is_cgroup: (is_cgroup || is_host).then_some(is_cgroup),
            memory: memory(tail),
        });
    }
    let rest = body
        .strip_prefix("Kill process ")
        .or_else(|| body.strip_prefix("kill process "))?;
    let (chosen, tail) = task(rest)?;
    if tail.starts_with(" sharing same memory") {
        return Some(OomLine::Killed {
            victim: chosen,
            is_cgroup: None,
            memory: TaskMemory::default(),
        });
    }
    Some(OomLine::Chosen { chosen, is_cgroup })
}

/// `Out of memory in UB 101: OOM killed process 870 (httpd) score 0 vm:305616kB, rss:10920kB, swap:0kB`,
/// as the kernels of OpenVZ have it.
fn of_container(before: &str, rest: &str) -> Option<OomLine> {
    let is_cgroup = before.starts_with("Out of memory in UB ");
    if !is_cgroup && !before.is_empty() {
        return None;
    }
    let (victim, tail) = task(rest)?;
    let mut memory = memory(tail);
    memory.total = memory.total.or_else(|| kib_after(tail, " vm:"));
    Some(OomLine::Killed {
        victim,
        is_cgroup: is_cgroup.then_some(true),
        memory,
    })
}

/// `1436 (php) invoked oom-killer in ub 101 generation 0 gfp 0x2000d2`, of the same kernels: the name.
fn of_container_call(text: &str) -> Option<&str> {
    let (by, _) = text.split_once(" invoked oom-killer in ub ")?;
    let (pid, name) = by.strip_suffix(')')?.split_once(" (")?;
    let is_number = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && name.len() <= LONGEST_NAME).then_some(name)
}

/// `870 (httpd).`, `870 (httpd) in VE "100" total-vm:…` of Virtuozzo, `3120, UID 48, (httpd).`, `870 (httpd) total-vm:…`, and the text after the name.
fn task(text: &str) -> Option<(Task, &str)> {
    let mut cursor = Cursor(text);
    let pid = cursor.digits().parse().ok()?;
    let mut uid = None;
    if let Some(rest) = cursor.0.strip_prefix(", UID ") {
        cursor.0 = rest;
        uid = cursor.digits().parse().ok();
        cursor.0 = cursor.0.trim_start_matches(',');
    }
    let rest = cursor.0.trim_start().strip_prefix('(')?;
    // A name may have brackets of its own: the last bracket that can end it does.
    let ends = rest.match_indices(')').map(|(at, _)| at);
    let end = ends
        .take_while(|at| *at <= LONGEST_NAME)
        .filter(|at| can_follow_name(&rest[at + 1..]))
        .last()?;
    let name = rest[..end].to_owned();
    Some((
        Task {
            pid: Some(pid),
            name,
            uid,
        },
        &rest[end + 1..],
    ))
}

fn can_follow_name(text: &str) -> bool {
    const TAILS: [&str; 9] = [
        ".",
        ", UID",
        ", now",
        " total-vm",
        " vsz:",
        " score ",
        " sharing",
        " or ",
        " in VE \"",
    ];
    let is_tail = |tail: &str| text.starts_with(tail) || tail.starts_with(text.trim_end());
    TAILS.iter().any(|tail| is_tail(tail))
}

fn memory(text: &str) -> TaskMemory {
    // Numbers that are cut say nothing.
    let bytes = |name| kib_after(text, name);
    TaskMemory {
        uid: number_after(text, "UID:").or_else(|| number_after(text, "UID ")),
        total: bytes("total-vm:").or_else(|| bytes("vsz:")),
        anonymous: bytes("anon-rss:"),
        file: bytes("file-rss:"),
        shared: bytes("shmem-rss:"),
        page_tables: bytes("pgtables:"),
        score_adjustment: text
            .split_once("oom_score_adj:")
            .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok()),
    }
}

/// The number after a name, if its unit follows: else it may be cut.
fn kib_after(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let mut cursor = Cursor(rest);
    let number = cursor.digits().parse().ok()?;
    cursor.0.starts_with('k').then(|| kib(number))
}

/// The kernel's `kB` are KiB.
const fn kib(number: u64) -> u64 {
    number.saturating_mul(1024)
}

/// What is written of a cgroup.
fn cgroup(text: &str) -> Option<OomLine> {
    if let Some(rest) = text.strip_prefix("memory: usage ") {
        let usage = kib_after(text, "usage ")?;
        let limit = kib_after(rest, "limit ")?;
        return Some(OomLine::Usage { usage, limit });
    }
    if let Some(rest) = text.strip_prefix("Memory cgroup stats") {
        let path = rest.strip_prefix(" for ");
        let is_whole = path.map_or(rest.starts_with(':'), |path| path.contains(':'));
        if !is_whole {
            return None;
        }
        let path = path.and_then(|rest| rest.split(": ").next());
        return Some(OomLine::StatsOf(
            path.map(|path| path.trim_end().trim_end_matches(':').to_owned()),
        ));
    }
    if let Some(rest) = text
        .strip_prefix("Task in ")
        .or_else(|| text.strip_prefix("Tasks in "))
    {
        if let Some((cgroup, _)) =
            rest.split_once(" are going to be killed due to memory.oom.group")
        {
            return Some(OomLine::Group(cgroup.to_owned()));
        }
        let between = " killed as a result of limit of ";
        let (cgroup, limited) = victims_and_limited(rest.trim_end(), between)?;
        return Some(OomLine::TaskOf {
            cgroup: cgroup.to_owned(),
            limited: limited.to_owned(),
        });
    }
    stats(text)
}

/// `sock 516947968`, or many of them in one message, whose line ends syslog writes as `#012`.
fn stats(text: &str) -> Option<OomLine> {
    const MOST: usize = 128;
    let lines = text.split("#012").flat_map(|line| line.split("\\x0a"));
    let mut stats = Vec::new();
    for line in lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(MOST)
    {
        let (name, number) = line.split_once(' ')?;
        if name.len() > LONGEST_NAME
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            return None;
        }
        stats.push((name.to_owned(), number.parse().ok()?));
    }
    (!stats.is_empty()).then_some(OomLine::Stats(stats))
}
