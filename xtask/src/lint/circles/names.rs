//! What a path leads to: through `use`, names that are passed on, and globs.

use super::modules::{Crate, Id};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Module(Id),
    /// Something that this module defines.
    Item(Id),
}

/// A file that names something of another one.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) from: Id,
    pub(super) to: Id,
    pub(super) line: usize,
    pub(super) path: String,
}

/// Names passed on from module to module are followed so far: some lead back to themselves.
const STEPS: usize = 8;

impl Crate<'_> {
    /// Each use of a file by another. Whoever takes a name from where it is only passed on uses the
    /// file that defines it.
    pub(super) fn uses(&self) -> Vec<Use> {
        let mut found = Vec::new();
        for id in 0..self.modules.len() {
            for (path, line) in self.named_in(id) {
                if let Some(Target::Item(target)) = self.resolve(id, &path, STEPS) {
                    let (from, to) = (self.file_of(id), self.file_of(target));
                    if from != to {
                        let path = path.join("::");
                        found.push(Use {
                            from,
                            to,
                            line,
                            path,
                        });
                    }
                }
            }
        }
        found
    }

    /// All that a module names, with the lines.
    fn named_in(&self, id: Id) -> Vec<(Vec<&str>, usize)> {
        let module = &self.modules[id];
        let mut named = module.paths.clone();
        for import in &module.imports {
            if !import.is_passed_on {
                named.push((import.path.clone(), import.line));
            }
        }
        for (word, line) in &module.words {
            let is_passed_on = |name: &str| module.imports.iter().any(|import| import.name == name);
            if is_passed_on(word) || !module.globs.is_empty() {
                named.push((vec![word], *line));
            }
        }
        named
    }

    fn resolve(&self, id: Id, path: &[&str], steps: usize) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        match *first {
            "crate" => self.below(0, rest, steps),
            "self" => self.below(id, rest, steps),
            "super" => self.below(self.modules[id].parent?, rest, steps),
            name => self.find(id, name, rest, steps),
        }
    }

    /// What `path` is in a module that certainly has it.
    fn below(&self, id: Id, path: &[&str], steps: usize) -> Option<Target> {
        match path.split_first() {
            None => Some(Target::Module(id)),
            Some((&"super", rest)) => self.below(self.modules[id].parent?, rest, steps),
            // Not found, it comes of a macro or of another crate.
            Some((name, rest)) => self.find(id, name, rest, steps).or(Some(Target::Item(id))),
        }
    }

    /// What `name`, followed by `rest`, is in a module, if anything of ours.
    fn find(&self, id: Id, name: &str, rest: &[&str], steps: usize) -> Option<Target> {
        let module = &self.modules[id];
        let child = || self.below(*module.children.get(name)?, rest, steps);
        let item = || module.items.contains(name).then_some(Target::Item(id));
        let import = || {
            let mut imports = module.imports.iter().filter(|import| import.name == name);
            imports.find_map(|import| {
                let path = [&import.path[..], rest].concat();
                self.resolve(id, &path, steps)
            })
        };
        let glob = || {
            module
                .globs
                .iter()
                .find_map(|glob| match self.resolve(id, glob, steps)? {
                    Target::Module(other) if other != id => self.find(other, name, rest, steps),
                    _ => None,
                })
        };
        // A module and a function may have one name; what is followed by nothing is the function.
        if rest.is_empty() {
            import().or_else(item).or_else(child).or_else(glob)
        } else {
            child().or_else(import).or_else(item).or_else(glob)
        }
    }

    /// The module that is the whole file.
    fn file_of(&self, id: Id) -> Id {
        let module = &self.modules[id];
        match module.parent {
            Some(parent) if !module.is_file => self.file_of(parent),
            _ => id,
        }
    }

    /// The modules that lead to a file, the root first and itself last.
    pub(super) fn way_to(&self, id: Id) -> Vec<Id> {
        let mut way = vec![id];
        let mut at = id;
        while let Some(parent) = self.modules[at].parent {
            at = parent;
            if self.modules[at].is_file {
                way.push(at);
            }
        }
        way.reverse();
        way
    }
}
