//! Cuts out of a kernel's BTF what the layout tests need, small enough to be checked in:
//!
//! ```text
//! cargo run -p detector-core --example btf_extract -- VMLINUX.btf tests/layouts/NAME.btf
//! ```
//!
//! Kept whole are the structs that the wanted fields lie in and the anonymous ones inside those.
//! Other structs keep name and size only, enumerations the wanted values, and every pointer becomes
//! `void *`. The extract must
//! resolve to the same layout as the original, or the tool fails.
#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

use std::collections::{HashMap, HashSet};
use std::error::Error;

use detector_core::observe::btf::write::{BtfWriter, Head, VOID};
use detector_core::observe::btf::{Btf, Kind, MAX_DEPTH, RawMember, Type};
use detector_core::observe::layout::{
    TRACEPOINTS, VICTIM_TRACEPOINT, survey, wanted_enumerators, wanted_fields,
};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target] = arguments.as_slice() else {
        return Err("usage: btf_extract SOURCE.btf TARGET.btf".into());
    };
    let bytes = std::fs::read(source).map_err(|error| format!("read {source}: {error}"))?;
    let btf = Btf::parse(&bytes)?;
    let extract = extract(&btf)?;
    let before = survey(&btf);
    let after = survey(&Btf::parse(&extract)?);
    if before.fields != after.fields || before.layout != after.layout {
        return Err("the extract resolves to another layout than the original".into());
    }
    std::fs::write(target, &extract).map_err(|error| format!("write {target}: {error}"))?;
    println!("{target}: {} bytes of {}", extract.len(), bytes.len());
    Ok(())
}

fn extract(btf: &Btf<'_>) -> Result<Vec<u8>, Failure> {
    let roots: Vec<Type<'_>> = {
        let names: HashSet<&str> = wanted_fields().map(|(structure, _)| structure).collect();
        let mut roots: Vec<_> = names
            .iter()
            .flat_map(|&name| btf.structs_named(name).collect::<Vec<_>>())
            .collect();
        roots.sort_by_key(|root| root.id);
        roots
    };
    let mut extractor = Extractor {
        btf,
        whole: roots.iter().map(|root| root.id).collect(),
        writer: BtfWriter::new(),
        written: HashMap::new(),
    };
    for (structure, path) in wanted_fields() {
        for root in btf.structs_named(structure) {
            extractor.keep_path(root.id, path)?;
        }
    }
    for root in roots {
        extractor.copy(root.id, 0)?;
    }
    for (enumeration, name) in wanted_enumerators() {
        if btf.has_enumerator(enumeration, name) {
            extractor.writer.enumeration(enumeration, &[name]);
        }
    }
    for name in TRACEPOINTS.into_iter().chain([VICTIM_TRACEPOINT]) {
        let arguments = btf
            .tracepoint_arguments(name)?
            .ok_or(format!("no tracepoint {name}"))?;
        let copies: Vec<u32> = arguments
            .iter()
            .map(|&id| extractor.copy(id, 0))
            .collect::<Result<_, _>>()?;
        extractor.writer.tracepoint(name, &copies);
    }
    Ok(extractor.writer.finish())
}

struct Extractor<'a> {
    btf: &'a Btf<'a>,
    /// Ids, in the original, of the structs whose members are kept.
    whole: HashSet<u32>,
    writer: BtfWriter,
    /// Ids in the original → ids in the extract.
    written: HashMap<u32, u32>,
}

impl Extractor<'_> {
    /// Marks the structs that the wanted path leads through.
    fn keep_path(&mut self, root: u32, path: &str) -> Result<(), Failure> {
        let mut inside = root;
        for part in path.split('.') {
            self.whole.insert(inside);
            let Some(next) = self.named_member(inside, part, 0)? else {
                return Ok(());
            };
            let next = self.btf.strip_modifiers(next)?;
            if !next.kind.has_members() {
                return Ok(());
            }
            inside = next.id;
        }
        Ok(())
    }

    /// Type of the member of that name, also from inside anonymous ones, which are marked.
    fn named_member(
        &mut self,
        structure: u32,
        name: &str,
        depth: usize,
    ) -> Result<Option<u32>, Failure> {
        if depth == MAX_DEPTH {
            return Err("anonymous structs are nested too deeply".into());
        }
        for member in self.btf.type_by_id(structure)?.members() {
            if self.btf.name(member.name_offset)? == name {
                return Ok(Some(member.type_id));
            }
            let nested = self.btf.strip_modifiers(member.type_id);
            if let (0, Ok(nested)) = (member.name_offset, nested)
                && nested.kind.has_members()
            {
                self.whole.insert(nested.id);
                if let Some(found) = self.named_member(nested.id, name, depth + 1)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Copies a type and what it consists of. Returns its id in the extract.
    fn copy(&mut self, id: u32, depth: usize) -> Result<u32, Failure> {
        if id == VOID {
            return Ok(VOID);
        }
        if depth == MAX_DEPTH {
            return Err(format!("type {id} is nested too deeply").into());
        }
        if let Some(&copy) = self.written.get(&id) {
            return Ok(copy);
        }
        let found = self.btf.type_by_id(id)?;
        let name = self.btf.name(found.name_offset)?;
        let head = Head {
            name,
            size_or_type: found.size_or_type,
            ..Head::of(found.kind)
        };
        let copy = match found.kind {
            Kind::Struct | Kind::Union => {
                let members = if self.whole.contains(&id) {
                    self.copy_members(found, depth)?
                } else {
                    Vec::new()
                };
                self.writer
                    .structure(found.kind, name, found.size_or_type, &members)
            }
            Kind::Int => {
                let encoding = found.int_encoding().ok_or("integer without encoding")?;
                self.writer
                    .add(head, &[encoding.offset_bits << 16 | encoding.bits])
            }
            Kind::Array => {
                let array = found.array().ok_or("array without length")?;
                let element = self.copy(array.element_type_id, depth + 1)?;
                self.writer.array(element, array.length)
            }
            Kind::Pointer => self.writer.reference(Kind::Pointer, "", VOID),
            // Values are not needed where an enumeration is a member's type.
            Kind::Enum | Kind::Enum64 | Kind::Float => self.writer.add(head, &[]),
            kind if kind.is_modifier() => {
                let to = self.copy(found.size_or_type, depth + 1)?;
                self.writer.reference(kind, name, to)
            }
            kind => return Err(format!("type {id}, {kind:?}, cannot be part of a struct").into()),
        };
        self.written.insert(id, copy);
        Ok(copy)
    }

    fn copy_members(&mut self, found: Type<'_>, depth: usize) -> Result<Vec<RawMember>, Failure> {
        found
            .members()
            .map(|member| {
                let name = self.btf.name(member.name_offset)?;
                let type_id = self.copy(member.type_id, depth + 1)?;
                Ok(RawMember {
                    name_offset: self.writer.name(name),
                    type_id,
                    ..member
                })
            })
            .collect()
    }
}
