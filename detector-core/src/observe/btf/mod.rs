//! Reader of BTF, the kernel's description of its own types.
//!
//! In: the bytes of `/sys/kernel/btf/vmlinux`, untrusted. Out: where a member of a struct lies,
//! what arguments a tracepoint has, which iterators and which values of enumerations there are.
//! Never: a panic, unbounded work, I/O.
//!
//! Our own: aya keeps its reader private, and btf-rs is LGPL.
//!
//! Parsing is one linear pass over the type section, which notes where each type begins and
//! which of them are named structs, enumerations, typedefs and functions; names are looked at only when asked
//! for. That reads the 5 MB of a distribution kernel in a few milliseconds.

mod error;
mod member;
mod types;
pub mod write;

pub use error::{BtfError, MemberError};
pub use member::{Member, MemberKind, Width};
pub use types::{IntEncoding, Kind, RawArray, RawMember, Type};

use types::word;

/// Largest input accepted. A distribution's kernel has 3 to 6 MB, a debug build some 20.
pub const MAX_BYTES: usize = 64 << 20;

/// Most types accepted. A distribution's kernel has 70 to 150 thousand.
pub const MAX_TYPES: usize = 4 << 20;

/// How many anonymous structs, modifiers or array dimensions may be nested in one another.
/// The kernel's own limit for resolving a type is 32.
pub const MAX_DEPTH: usize = 32;

/// How many members one question may look at, over all nested structs.
/// `struct tcp_sock` of a current kernel takes a few hundred.
pub const MAX_MEMBERS_VISITED: usize = 1 << 16;

/// Size of a pointer on the machines supported, all of them 64-bit.
pub const POINTER_BYTES: u64 = 8;

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 24;

/// Parsed BTF, borrowing the bytes it was made from.
#[derive(Clone, Debug)]
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where type N begins in `types`, at N − 1.
    offsets: Vec<u32>,
    /// The structs and unions that have a name.
    structs: Vec<Named>,
    /// The enumerations that have a name.
    enumerations: Vec<Named>,
    /// The typedefs.
    typedefs: Vec<Named>,
    /// The functions.
    functions: Vec<Named>,
}

/// A type that can be asked for by name. The offset of the name is kept here as well, so that a
/// search reads the names alone.
#[derive(Clone, Copy, Debug)]
struct Named {
    name_offset: u32,
    id: u32,
}

impl<'a> Btf<'a> {
    /// Checks header, sections and the extent of every type.
    ///
    /// References between types and names are checked when they are followed, so what is never
    /// asked for may be wrong.
    ///
    /// # Errors
    ///
    /// When the bytes are no version 1 little-endian BTF, are over a limit, or hold a kind of type
    /// that is unknown, after which nothing can be found.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let (types, strings) = sections(bytes)?;
        // A type takes 12 to 40 bytes, 24 on average in a kernel.
        let mut btf = Self {
            types,
            strings,
            offsets: Vec::with_capacity(types.len() / 24),
            structs: Vec::new(),
            enumerations: Vec::new(),
            typedefs: Vec::new(),
            functions: Vec::new(),
        };
        btf.index_types()?;
        Ok(btf)
    }

    fn index_types(&mut self) -> Result<(), BtfError> {
        let mut offset = 0;
        let mut id: u32 = 0;
        while let Some(rest) = self.types.get(offset..).filter(|rest| !rest.is_empty()) {
            if self.offsets.len() == MAX_TYPES {
                return Err(BtfError::TooManyTypes);
            }
            id += 1;
            let found = Type::decode(rest, id)?;
            let named = Named {
                name_offset: found.name_offset,
                id,
            };
            match found.kind {
                Kind::Struct | Kind::Union if found.name_offset != 0 => self.structs.push(named),
                Kind::Enum | Kind::Enum64 if found.name_offset != 0 => {
                    self.enumerations.push(named);
                }
                Kind::Typedef => self.typedefs.push(named),
                Kind::Function => self.functions.push(named),
                _ => {}
            }
            let start = u32::try_from(offset).map_err(|_| BtfError::Overflow { type_id: id })?;
            self.offsets.push(start);
            offset += found.stored_bytes();
        }
        Ok(())
    }

    /// Number of types. Ids go from 1 to this; 0 stands for `void`.
    #[must_use]
    pub fn type_count(&self) -> usize {
        self.offsets.len()
    }

    /// The type with that id.
    ///
    /// # Errors
    ///
    /// When there is none, as for 0, which stands for `void`.
    pub fn type_by_id(&self, id: u32) -> Result<Type<'a>, BtfError> {
        let missing = BtfError::NoSuchType { type_id: id };
        let index = (id as usize)
            .checked_sub(1)
            .ok_or_else(|| missing.clone())?;
        let start = *self.offsets.get(index).ok_or_else(|| missing.clone())?;
        let bytes = self.types.get(start as usize..).ok_or(missing)?;
        Type::decode(bytes, id)
    }

    /// The name at that offset of the string section; empty for 0.
    ///
    /// # Errors
    ///
    /// When the offset lies outside, or the name is no UTF-8.
    pub fn name(&self, offset: u32) -> Result<&'a str, BtfError> {
        let bad = BtfError::BadName { offset };
        let rest = self
            .strings
            .get(offset as usize..)
            .ok_or_else(|| bad.clone())?;
        let name = rest.split(|&byte| byte == 0).next().unwrap_or_default();
        if name.len() == rest.len() {
            return Err(bad);
        }
        std::str::from_utf8(name).map_err(|_| bad)
    }

    /// True if the name at that offset is `wanted`. Costs no more than the length of `wanted`.
    fn is_name(&self, offset: u32, wanted: &str) -> bool {
        self.strings
            .get(offset as usize..)
            .and_then(|rest| rest.strip_prefix(wanted.as_bytes()))
            .is_some_and(|after| after.first() == Some(&0))
    }

    /// The structs and unions of that name. More than one if the kernel's types were not merged
    /// fully, or if unrelated drivers use the same name.
    pub fn structs_named(&self, name: &str) -> impl Iterator<Item = Type<'a>> {
        self.named(&self.structs, name)
    }

    /// The typedefs of that name.
    pub fn typedefs_named(&self, name: &str) -> impl Iterator<Item = Type<'a>> {
        self.named(&self.typedefs, name)
    }

    fn named(&self, types: &[Named], name: &str) -> impl Iterator<Item = Type<'a>> {
        types
            .iter()
            .filter(move |named| self.is_name(named.name_offset, name))
            .filter_map(|named| self.type_by_id(named.id).ok())
    }

    /// Follows typedefs, `const`, `volatile`, `restrict` and type tags to what they name.
    ///
    /// # Errors
    ///
    /// When they end in a type that is not there, or go in a circle.
    pub fn strip_modifiers(&self, type_id: u32) -> Result<Type<'a>, BtfError> {
        let mut id = type_id;
        for _ in 0..MAX_DEPTH {
            let found = self.type_by_id(id)?;
            if !found.kind.is_modifier() {
                return Ok(found);
            }
            id = found.size_or_type;
        }
        Err(BtfError::TooDeep { type_id })
    }

    /// Size in bytes of a value of that type.
    ///
    /// # Errors
    ///
    /// When it has none (`void`, functions, forward declarations), or its description is unusable.
    pub fn size_bytes(&self, type_id: u32) -> Result<u64, BtfError> {
        let mut elements: u64 = 1;
        let mut id = type_id;
        for _ in 0..MAX_DEPTH {
            let found = self.strip_modifiers(id)?;
            let size = match found.kind {
                Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float => u64::from(found.size_or_type),
                Kind::Pointer => POINTER_BYTES,
                _ => {
                    let array = found
                        .array()
                        .ok_or(BtfError::NoSize { type_id: found.id })?;
                    elements = elements
                        .checked_mul(u64::from(array.length))
                        .ok_or(BtfError::Overflow { type_id })?;
                    id = array.element_type_id;
                    continue;
                }
            };
            return size
                .checked_mul(elements)
                .ok_or(BtfError::Overflow { type_id });
        }
        Err(BtfError::TooDeep { type_id })
    }

    /// Type ids of the arguments a program on the BTF tracepoint `name` gets, or `None` if the
    /// kernel has no such tracepoint.
    ///
    /// The kernel describes each tracepoint by `typedef void (*btf_trace_NAME)(void *__data, …)`
    /// (`include/trace/bpf_probe.h`); `__data` is not among the arguments.
    ///
    /// # Errors
    ///
    /// When the typedef is not one of a pointer to a function.
    pub fn tracepoint_arguments(&self, name: &str) -> Result<Option<Vec<u32>>, BtfError> {
        let typedef_name = format!("btf_trace_{name}");
        let Some(typedef) = self.typedefs_named(&typedef_name).next() else {
            return Ok(None);
        };
        let pointer = self.strip_modifiers(typedef.id)?;
        if pointer.kind != Kind::Pointer {
            return Err(BtfError::NoSuchType {
                type_id: typedef.id,
            });
        }
        let function = self.strip_modifiers(pointer.size_or_type)?;
        if function.kind != Kind::FunctionProto {
            return Err(BtfError::NoSuchType {
                type_id: pointer.id,
            });
        }
        Ok(Some(function.parameters().skip(1).collect()))
    }

    /// True if an enumeration `enumeration` has a value of that name.
    #[must_use]
    pub fn has_enumerator(&self, enumeration: &str, name: &str) -> bool {
        self.named(&self.enumerations, enumeration)
            .any(|found| found.enumerators().any(|value| self.is_name(value, name)))
    }

    /// True if the kernel has the BPF iterator `name`.
    ///
    /// The kernel describes each iterator by an empty function `bpf_iter_NAME`
    /// (`DEFINE_BPF_ITER_FUNC` in `include/linux/bpf.h`).
    #[must_use]
    pub fn has_iterator(&self, name: &str) -> bool {
        let function_name = format!("bpf_iter_{name}");
        self.named(&self.functions, &function_name).next().is_some()
    }
}

/// Checks the header and cuts out the type and the string section.
fn sections(bytes: &[u8]) -> Result<(&[u8], &[u8]), BtfError> {
    if bytes.len() > MAX_BYTES {
        return Err(BtfError::TooLarge { bytes: bytes.len() });
    }
    let header = bytes
        .first_chunk::<HEADER_BYTES>()
        .ok_or(BtfError::TruncatedHeader { bytes: bytes.len() })?;
    let magic = u16::from_le_bytes([header[0], header[1]]);
    if magic == MAGIC.swap_bytes() {
        return Err(BtfError::BigEndian);
    }
    if magic != MAGIC {
        return Err(BtfError::NotBtf { magic });
    }
    let (version, flags, header_bytes) = (header[2], header[3], word(header, 1));
    if version != VERSION {
        return Err(BtfError::UnsupportedVersion { version });
    }
    // A longer header is allowed: later kernels may append to it.
    if flags != 0 || (header_bytes as usize) < HEADER_BYTES {
        return Err(BtfError::UnsupportedHeader {
            flags,
            header_bytes,
        });
    }
    let after_header = bytes
        .get(header_bytes as usize..)
        .ok_or(BtfError::TruncatedHeader { bytes: bytes.len() })?;

    let types = section(after_header, "type", word(header, 2), word(header, 3))?;
    let strings = section(after_header, "string", word(header, 4), word(header, 5))?;
    if !word(header, 2).is_multiple_of(4) {
        return Err(BtfError::BadSection {
            section: "type",
            offset: word(header, 2),
            bytes: word(header, 3),
        });
    }
    if strings.first() != Some(&0) || strings.last() != Some(&0) {
        return Err(BtfError::UnterminatedStrings);
    }
    Ok((types, strings))
}

fn section<'a>(
    after_header: &'a [u8],
    section: &'static str,
    offset: u32,
    bytes: u32,
) -> Result<&'a [u8], BtfError> {
    after_header
        .get(offset as usize..)
        .and_then(|rest| rest.get(..bytes as usize))
        .ok_or(BtfError::BadSection {
            section,
            offset,
            bytes,
        })
}

#[cfg(test)]
mod tests;
