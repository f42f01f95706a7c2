//! No circles between files: of two modules side by side at most one uses the other, through however
//! many others.
//!
//! The modules of one parent stand side by side, each with all that is below it; so it is for the files
//! of a folder as for the folders of a crate. What counts is the file that defines a name, not one that
//! passes it on with `pub use`. Between a module and what is below it nothing counts, neither way: a
//! parent puts its children together, and they are parts of what it defines. Code of tests alone does
//! not count, nor do methods, which are named without a path. What a macro defines is not seen through
//! `use path::*`.

mod modules;
mod names;
mod tokens;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::modules::{Crate, Id, crates};
use self::names::Use;

pub(super) use self::modules::Sources;

/// A use that closes a circle and stays for now, and why.
struct Allowed {
    from: &'static str,
    to: &'static str,
    why: &'static str,
}

/// Moving what these name changes no instruction, but the object in the tree names the line of each. They can
/// end with the next change that makes a new object anyway.
const OF_OBJECT: &str = "to end it makes another object of the same instructions";

const ALLOWED: [Allowed; 3] = [
    // How many places the map of marks has.
    Allowed {
        from: "detector-ebpf/src/maps",
        to: "detector-ebpf/src/attention",
        why: OF_OBJECT,
    },
    // What is put by, and how many places there are for it.
    Allowed {
        from: "detector-ebpf/src/maps",
        to: "detector-ebpf/src/connection",
        why: OF_OBJECT,
    },
    // What is put by.
    Allowed {
        from: "detector-ebpf/src/helpers",
        to: "detector-ebpf/src/connection",
        why: OF_OBJECT,
    },
];

pub(super) fn violations(sources: &Sources) -> Vec<String> {
    found(sources, &ALLOWED)
}

fn found(sources: &Sources, allowed: &[Allowed]) -> Vec<String> {
    // Files that several crates share are judged in each.
    let mut circles = BTreeSet::new();
    let mut in_circles = BTreeSet::new();
    for read in crates(sources) {
        let mut side_by_side = Neighbours::of(&read);
        for (at, one) in allowed.iter().enumerate() {
            if side_by_side.take(one) {
                in_circles.insert(at);
            }
        }
        circles.extend(side_by_side.circles());
    }
    let idle = (0..allowed.len()).filter(|at| !in_circles.contains(at));
    let idle = idle.map(|at| {
        let Allowed { from, to, why } = allowed[at];
        format!("{from} -> {to}: closes no circle any more, take it off the list ({why})")
    });
    circles.into_iter().chain(idle).collect()
}

/// Which modules use which of those beside them, with one place each.
struct Neighbours<'c, 'a> {
    read: &'c Crate<'a>,
    uses: BTreeMap<Id, BTreeMap<Id, Use>>,
}

impl<'c, 'a> Neighbours<'c, 'a> {
    fn of(read: &'c Crate<'a>) -> Self {
        let mut uses: BTreeMap<Id, BTreeMap<Id, Use>> = BTreeMap::new();
        for one in read.uses() {
            let (from, to) = (read.way_to(one.from), read.way_to(one.to));
            // Where the ways part; they do not for a module and what is below it.
            if let Some((from, to)) = from.into_iter().zip(to).find(|(from, to)| from != to) {
                uses.entry(from).or_default().entry(to).or_insert(one);
            }
        }
        Self { read, uses }
    }

    /// Takes out a use that is allowed; whether it closed a circle.
    fn take(&mut self, allowed: &Allowed) -> bool {
        let ids = 0..self.read.modules.len();
        let named = |name: &str| ids.clone().filter(|id| self.name(*id) == name).collect();
        let (from, to): (Vec<Id>, Vec<Id>) = (named(allowed.from), named(allowed.to));
        let mut closed = false;
        for (from, to) in from
            .into_iter()
            .flat_map(|from| to.iter().map(move |to| (from, *to)))
        {
            let is_used = self
                .uses
                .get(&from)
                .is_some_and(|uses| uses.contains_key(&to));
            closed |= is_used && self.way(to, from).is_some();
            self.uses.entry(from).or_default().remove(&to);
        }
        closed
    }

    /// The shortest circle through each module that is in one.
    fn circles(&self) -> Vec<String> {
        let mut known = BTreeSet::new();
        let mut told = Vec::new();
        for (&start, uses) in &self.uses {
            let back = uses.keys().filter_map(|next| self.way(*next, start));
            let Some(circle) = back.min_by_key(Vec::len) else {
                continue;
            };
            let mut members = circle.clone();
            members.sort_unstable();
            if known.insert(members) {
                told.push(self.tell(start, &circle));
            }
        }
        told
    }

    /// The shortest way by which `from` uses `to`, both included.
    fn way(&self, from: Id, to: Id) -> Option<Vec<Id>> {
        let mut came_from = BTreeMap::from([(from, from)]);
        let mut due = VecDeque::from([from]);
        while let Some(at) = due.pop_front() {
            if at == to {
                let mut way = vec![to];
                let mut last = to;
                while last != from {
                    last = came_from[&last];
                    way.push(last);
                }
                way.reverse();
                return Some(way);
            }
            for next in self.uses.get(&at).into_iter().flat_map(BTreeMap::keys) {
                came_from.entry(*next).or_insert_with(|| {
                    due.push_back(*next);
                    at
                });
            }
        }
        None
    }

    fn tell(&self, start: Id, circle: &[Id]) -> String {
        let froms = [start].into_iter().chain(circle.iter().copied());
        let steps = froms.zip(circle).map(|(from, to)| {
            let one = &self.uses[&from][to];
            let file = self.read.modules[one.from].file.display();
            format!("{} ({file}:{}: {})", self.name(*to), one.line, one.path)
        });
        let steps: Vec<_> = steps.collect();
        format!("circle: {} -> {}", self.name(start), steps.join(" -> "))
    }

    /// A module by its file, without the ending.
    fn name(&self, id: Id) -> String {
        let file = self.read.modules[id].file.to_string_lossy();
        let name = file.strip_suffix(".rs").unwrap_or(&file);
        name.strip_suffix("/mod").unwrap_or(name).to_owned()
    }
}

#[cfg(test)]
mod tests;
