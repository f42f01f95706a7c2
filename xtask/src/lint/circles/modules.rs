//! The modules of a crate, and what each names: read from the files alone, without a compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::tokens::{Token, group, of_program};

/// Text of files, by path from the root of the repository.
pub(in crate::lint) type Sources = BTreeMap<PathBuf, String>;

/// Where a module stands in [`Crate::modules`].
pub(super) type Id = usize;

/// A name brought in by `use`.
#[derive(Debug)]
pub(super) struct Import<'a> {
    pub(super) name: &'a str,
    pub(super) path: Vec<&'a str>,
    pub(super) line: usize,
    /// `pub` to whatever extent: for others, until the module itself says the name.
    pub(super) is_passed_on: bool,
}

/// A file, or a module written out inside of one.
#[derive(Debug, Default)]
pub(super) struct Module<'a> {
    pub(super) file: PathBuf,
    pub(super) parent: Option<Id>,
    pub(super) is_file: bool,
    pub(super) children: BTreeMap<&'a str, Id>,
    pub(super) imports: Vec<Import<'a>>,
    /// `use path::*`
    pub(super) globs: Vec<Vec<&'a str>>,
    /// What is defined here; methods too, which does no harm.
    pub(super) items: BTreeSet<&'a str>,
    /// Names of more than one part, each with its line.
    pub(super) paths: Vec<(Vec<&'a str>, usize)>,
    /// Single words, each with the first of its lines.
    pub(super) words: BTreeMap<&'a str, usize>,
}

#[derive(Debug, Default)]
pub(super) struct Crate<'a> {
    pub(super) modules: Vec<Module<'a>>,
}

/// All crates of these files; every program, test and example of a package is one.
pub(super) fn crates(sources: &Sources) -> impl Iterator<Item = Crate<'_>> {
    sources.keys().filter(|file| is_root(file)).map(|file| {
        let mut made = Crate::default();
        made.add_file(file, None, sources);
        made
    })
}

/// Whether Cargo builds something of this file by itself.
fn is_root(file: &Path) -> bool {
    let parts: Vec<_> = file.iter().filter_map(|part| part.to_str()).collect();
    match parts[..] {
        [.., "lib.rs" | "main.rs"] | [.., "src", "bin", _] => true,
        [_, folder, _] => ["tests", "benches", "examples", "fuzz_targets"].contains(&folder),
        _ => false,
    }
}

impl<'a> Crate<'a> {
    fn add_file(&mut self, file: &Path, parent: Option<Id>, sources: &'a Sources) -> Id {
        let owns_folder = parent.is_none() || file.ends_with("mod.rs");
        let folder = if owns_folder {
            file.parent().unwrap_or(file).to_path_buf()
        } else {
            file.with_extension("")
        };
        let id = self.modules.len();
        self.modules.push(Module {
            file: file.to_path_buf(),
            parent,
            is_file: true,
            ..Module::default()
        });
        if let Some(text) = sources.get(file) {
            self.read(id, &of_program(text), &folder, sources);
        }
        id
    }

    /// Takes what a module says; files of its children lie in `folder`.
    fn read(&mut self, id: Id, tokens: &[Token<'a>], folder: &Path, sources: &'a Sources) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let before = at.checked_sub(1).map_or("", |before| tokens[before].text);
            let next = |ahead: usize| tokens.get(at + ahead).map_or("", |token| token.text);
            at += match token.text {
                "mod" if next(2) == ";" => {
                    self.add_child_file(id, next(1), folder, sources);
                    3
                }
                "mod" if next(2) == "{" => {
                    let content = &tokens[at + 2..at + 2 + group(&tokens[at + 2..])];
                    self.add_inline(id, (next(1), content), folder, sources);
                    2 + content.len()
                }
                "use" if next(1) != "<" => {
                    let is_passed_on = before == "pub" || before == ")";
                    1 + self.read_use(id, &tokens[at + 1..], is_passed_on)
                }
                "macro_rules" => {
                    self.modules[id].items.insert(next(2));
                    3
                }
                "struct" | "enum" | "union" | "trait" | "fn" | "type" | "const" | "static" => {
                    self.modules[id].items.insert(next(1));
                    1
                }
                _ if token.is_word() && !matches!(before, "." | "::") => {
                    self.read_path(id, &tokens[at..])
                }
                _ => 1,
            };
        }
    }

    fn add_child_file(&mut self, id: Id, name: &'a str, folder: &Path, sources: &'a Sources) {
        let files = [
            folder.join(name).with_extension("rs"),
            folder.join(name).join("mod.rs"),
        ];
        // One that is elsewhere, as `#[path]` has it, is shared by crates and knows none of them.
        if let Some(file) = files.iter().find(|file| sources.contains_key(*file)) {
            let child = self.add_file(file, Some(id), sources);
            self.modules[id].children.insert(name, child);
        }
    }

    fn add_inline(
        &mut self,
        id: Id,
        (name, content): (&'a str, &[Token<'a>]),
        folder: &Path,
        sources: &'a Sources,
    ) {
        let child = self.modules.len();
        self.modules.push(Module {
            file: self.modules[id].file.clone(),
            parent: Some(id),
            ..Module::default()
        });
        self.modules[id].children.insert(name, child);
        self.read(child, content, &folder.join(name), sources);
    }

    /// Takes a path or a word; gives how many tokens it has.
    fn read_path(&mut self, id: Id, tokens: &[Token<'a>]) -> usize {
        let mut path = vec![tokens[0].text];
        let mut rest = &tokens[1..];
        while let [colons, part, after @ ..] = rest
            && colons.text == "::"
            && part.is_word()
        {
            path.push(part.text);
            rest = after;
        }
        let length = tokens.len() - rest.len();
        let module = &mut self.modules[id];
        let line = tokens[0].line;
        if path.len() > 1 {
            module.paths.push((path, line));
        } else {
            module.words.entry(path[0]).or_insert(line);
        }
        length
    }

    /// Takes what stands behind `use`, up to the semicolon; gives how many tokens that is.
    fn read_use(&mut self, id: Id, tokens: &[Token<'a>], is_passed_on: bool) -> usize {
        let end = tokens.iter().position(|token| token.text == ";");
        let tree = &tokens[..end.unwrap_or(tokens.len())];
        let mut reader = UseReader {
            module: &mut self.modules[id],
            is_passed_on,
        };
        reader.read(&[], tree);
        tree.len()
    }
}

struct UseReader<'m, 'a> {
    module: &'m mut Module<'a>,
    is_passed_on: bool,
}

impl<'a> UseReader<'_, 'a> {
    /// One branch of the tree, behind the path that leads to it.
    fn read(&mut self, stem: &[&'a str], branch: &[Token<'a>]) {
        let mut path = stem.to_vec();
        let mut rest = branch;
        while let Some((token, after)) = rest.split_first() {
            match token.text {
                // A crate of that name, nothing of ours.
                "::" if path.is_empty() => return,
                "::" => {}
                "{" => return self.read_group(&path, after),
                "*" => return self.module.globs.push(path),
                "as" => break,
                "self" if !stem.is_empty() => {}
                part => path.push(part),
            }
            rest = after;
        }
        let name = match rest {
            [_, alias, ..] => Some(alias.text),
            _ => path.last().copied(),
        };
        let (Some(name), Some(first)) = (name, branch.first()) else {
            return;
        };
        self.module.imports.push(Import {
            name,
            path,
            line: first.line,
            is_passed_on: self.is_passed_on,
        });
    }

    fn read_group(&mut self, stem: &[&'a str], content: &[Token<'a>]) {
        let mut start = 0;
        let mut at = 0;
        while let Some(token) = content.get(at) {
            match token.text {
                "{" => at += group(&content[at..]) - 1,
                "," | "}" => {
                    if at > start {
                        self.read(stem, &content[start..at]);
                    }
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
    }
}
