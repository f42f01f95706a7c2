//! Whose control groups a report of an OOM kill names. Users call groups of theirs what they like, and put what
//! stands between two paths into one.

use super::{LONGEST_NAME, OomLine, Task};
use crate::message::cursor::Cursor;

/// `constraint=…,nodemask=…,cpuset=…,mems_allowed=…,oom_memcg=…,task_memcg=…,task=…,pid=…,uid=…`, or with
/// `global_oom` for `oom_memcg=…`. The task's name may have commas, so that it is looked for from behind.
pub(super) fn record(fields: &str) -> Option<OomLine> {
    let (rest, uid) = fields.trim_end().rsplit_once(",uid=")?;
    let (rest, pid) = rest.rsplit_once(",pid=")?;
    let starts = rest
        .match_indices(",task=")
        .map(|(at, found)| (at, at + found.len()));
    let (end, start) = { starts }.find(|(_, start)| rest.len() - start <= LONGEST_NAME)?;
    let (cgroup, limited) = groups(&rest[..end]);
    Some(OomLine::Record {
        chosen: Task {
            pid: pid.parse().ok(),
            name: rest[start..].to_owned(),
            uid: Cursor(uid).digits().parse().ok(),
        },
        is_cgroup: is_cgroup(fields, limited),
        limited: limited.map(str::to_owned),
        cgroup: cgroup.map(str::to_owned),
    })
}

/// Whose memory was short: a group's (which 5.0 to 5.2 do not name as the constraint), the host's, or that which a
/// CPU set or a policy allows.
fn is_cgroup(fields: &str, limited: Option<&str>) -> Option<bool> {
    let is = |constraint| fields.starts_with(constraint);
    match () {
        () if is("constraint=CONSTRAINT_MEMCG") || limited.is_some() => Some(true),
        () if is("constraint=CONSTRAINT_CPUSET") => None,
        () if is("constraint=CONSTRAINT_MEMORY_POLICY") => None,
        () => Some(false),
    }
}

/// The victim's group, and the one whose limit was hit.
fn groups(fields: &str) -> (Option<&str>, Option<&str>) {
    // No name before the first path has a slash: `cpuset=` has a part of one.
    let Some((before, _)) = fields.split_once("memcg=/") else {
        return (None, None);
    };
    let paths = &fields[before.len() + "memcg=".len()..];
    if before.ends_with(",task_") {
        return (Some(paths), None);
    }
    if !before.ends_with(",oom_") {
        return (None, None);
    }
    let between = ",task_memcg=";
    if !paths.contains(between) {
        return (None, Some(paths));
    }
    inside(paths, between, |limited, victims| (victims, limited))
        .map_or((None, None), |(cgroup, limited)| {
            (Some(cgroup), Some(limited))
        })
}

/// The same of a line that has the victim's group first.
pub(super) fn victims_and_limited<'a>(text: &'a str, between: &str) -> Option<(&'a str, &'a str)> {
    inside(text, between, |victims, limited| (victims, limited))
}

/// Where `between` stands between the two paths: the victim is in the group whose limit was hit, so that what is
/// taken for its path begins with what is taken for the other, and with it as its user's groups do. The first such
/// place is right where the limit is one of somebody else.
fn inside<'a>(
    text: &'a str,
    between: &str,
    victims_and_limited: impl Fn(&'a str, &'a str) -> (&'a str, &'a str),
) -> Option<(&'a str, &'a str)> {
    let mut places = text.match_indices(between).map(|(at, found)| {
        let (first, second) = (&text[..at], &text[at + found.len()..]);
        victims_and_limited(first, second)
    });
    let only = places
        .clone()
        .next()
        .filter(|_| places.clone().count() == 1);
    let is_below = |(victims, limited): &(&str, &str)| {
        let rest = victims.strip_prefix(limited.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // A victim may be moved meanwhile.
    places.find(is_below).or(only)
}
