//! Where a hierarchy of control groups is mounted, and where the paths of `/proc/PID/cgroup` lead in it.
//!
//! A container mostly has a control-group namespace of its own. Seen from there its own group is `/`, each step up
//! from it is `/..`, in paths and for the root of a mount alike: of two groups side by side, each with a process, one
//! sees the other as `/../other`, and a mount of all above them as one of `/../..`.

use super::{ControlGroups, components};
use crate::host::folder::Folder;
use rustix::fs::fstat;
use rustix::io::Errno;
use std::path::Path;

/// Hosts with thousands of mounts stay below.
const MOUNTS_BYTES: usize = 4 << 20;

/// A mount of the wanted kind.
#[derive(Debug)]
struct Mount<'text> {
    at: &'text str,
    /// How many groups its root lies above that of the namespace.
    up: usize,
}

impl ControlGroups {
    /// The unified hierarchy as far out as it is mounted, by the mounts of this process; `None` where it is not, or
    /// from a group inside of the namespace's alone.
    pub(in crate::host::owner) fn find(proc: &Path) -> Option<Self> {
        Self::find_where(proc, is_unified)
    }

    /// The older hierarchy that limits memory, likewise.
    pub(in crate::host::owner) fn find_older(proc: &Path) -> Option<Self> {
        Self::find_where(proc, |of_kind| {
            let options = of_kind
                .strip_prefix("cgroup ")
                .and_then(|rest| rest.rsplit(' ').next());
            options.is_some_and(|all| all.split(',').any(|each| each == "memory"))
        })
    }

    fn find_where(proc: &Path, is_wanted: impl Fn(&str) -> bool) -> Option<Self> {
        let text = mounts(proc)?;
        let mounts = wanted(&text, is_wanted);
        let outermost = mounts.iter().max_by_key(|mount| mount.up)?;
        let mut groups = Self {
            folder: Folder::open(Path::new(outermost.at)).ok()?,
            up: outermost.up,
            namespace: Vec::new(),
        };
        let own = mounts.iter().find(|mount| mount.up == 0);
        if let Some(own) = own.filter(|_| groups.up > 0) {
            let found = groups.find_namespace(own.at).unwrap_or_default();
            groups.namespace = found;
        }
        Some(groups)
    }

    /// The way down to the group that is mounted here, which the namespace takes for the root.
    fn find_namespace(&self, at: &str) -> Option<Vec<String>> {
        let own = Folder::open(Path::new(at)).ok()?;
        let path = self.path_of_number(fstat(&own).ok()?.st_ino)?;
        let way: Vec<_> = components(&path).map(str::to_owned).collect();
        (way.len() == self.up).then_some(way)
    }

    /// The folder of the group that this process is in, by its path in `/proc/self/cgroup`: through the mount of its
    /// own namespace, if there is one, which it may look into for as long as it runs.
    pub(in crate::host::owner) fn own_folder(proc: &Path, path: &str) -> Option<Folder> {
        let text = mounts(proc)?;
        let mounts = wanted(&text, is_unified);
        match mounts.iter().find(|mount| mount.up == 0) {
            Some(own) => {
                let groups = Self {
                    folder: Folder::open(Path::new(own.at)).ok()?,
                    up: 0,
                    namespace: Vec::new(),
                };
                groups.folder(path)
            }
            None => {
                let groups = Self::find(proc)?;
                groups.folder(&groups.seen(path)?)
            }
        }
    }

    /// Whether its root is that of the kernel's: every other group has events.
    pub(in crate::host::owner) fn is_whole(&self) -> bool {
        matches!(self.folder.read("cgroup.events", 1), Err(Errno::NOENT))
    }

    /// Whether every path of `/proc/PID/cgroup` can be followed.
    pub(in crate::host::owner) fn sees_all(&self) -> bool {
        self.is_whole() && self.namespace.len() == self.up
    }

    /// The path from the root of the mount on, of one in `/proc/PID/cgroup`; `None` where it leads out of what is
    /// mounted, or where it is not known through what.
    pub(in crate::host::owner) fn seen(&self, of_proc: &str) -> Option<String> {
        let (up, rest) = steps_up(of_proc);
        let down = self.up.checked_sub(up)?;
        let way = if down == 0 {
            &[]
        } else {
            self.namespace.get(..down)?
        };
        let names = way.iter().map(String::as_str).chain(components(rest));
        let path: String = names.flat_map(|name| ["/", name]).collect();
        Some(if path.is_empty() {
            "/".to_owned()
        } else {
            path
        })
    }
}

/// Steps up at the beginning of a path, and what follows them.
pub(super) fn steps_up(path: &str) -> (usize, &str) {
    let (mut up, mut rest) = (0, path);
    while let Some(next) = rest.strip_prefix("/..")
        && (next.is_empty() || next.starts_with('/'))
    {
        (up, rest) = (up + 1, next);
    }
    (up, rest)
}

fn is_unified(of_kind: &str) -> bool {
    of_kind.starts_with("cgroup2 ")
}

fn mounts(proc: &Path) -> Option<String> {
    Folder::open(proc)
        .ok()?
        .text("self/mountinfo", MOUNTS_BYTES)
}

/// Mounts of the wanted kind that are the group of the namespace, or one further out.
fn wanted(text: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<Mount<'_>> {
    let mut found: Vec<Mount<'_>> = Vec::new();
    for (root, at, of_kind) in text.lines().filter_map(parse) {
        if !is_wanted(of_kind) {
            continue;
        }
        // What is mounted over another hides it.
        found.retain(|mount| mount.at != at);
        let (up, inside) = steps_up(root.trim_end_matches('/'));
        // Odd characters are written as octal numbers; no mount of this kind has them.
        if inside.is_empty() && !at.contains('\\') {
            found.push(Mount { at, up });
        }
    }
    found
}

/// Root, mount point and kind in a line of `mountinfo`:
/// `41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw`.
fn parse(line: &str) -> Option<(&str, &str, &str)> {
    let (place, of_kind) = line.split_once(" - ")?;
    let mut fields = place.split(' ').skip(3);
    Some((fields.next()?, fields.next()?, of_kind))
}

#[cfg(test)]
mod tests;
