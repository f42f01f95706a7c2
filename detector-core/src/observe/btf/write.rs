//! Writes BTF: for the checked-in extracts of real kernels, and for tests.
//!
//! Nothing is checked here, so that tests can also write what [`super::Btf::parse`] must refuse.

use std::collections::HashMap;

use super::types::Kind;
use super::{HEADER_BYTES, MAGIC, RawMember, VERSION};

/// Type id of `void`.
pub const VOID: u32 = 0;

/// BTF under construction. Types get the ids 1, 2, 3 … in the order they are added.
#[derive(Debug)]
pub struct BtfWriter {
    types: Vec<u8>,
    type_count: u32,
    strings: Vec<u8>,
    name_offsets: HashMap<String, u32>,
}

impl Default for BtfWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl BtfWriter {
    /// BTF without types.
    #[must_use]
    pub fn new() -> Self {
        Self {
            types: Vec::new(),
            type_count: 0,
            strings: vec![0],
            name_offsets: HashMap::from([(String::new(), 0)]),
        }
    }

    /// Offset of that name in the string section, where it is put if it is not there yet.
    pub fn name(&mut self, name: &str) -> u32 {
        if let Some(&offset) = self.name_offsets.get(name) {
            return offset;
        }
        let offset = u32::try_from(self.strings.len()).unwrap_or(u32::MAX);
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        self.name_offsets.insert(name.to_owned(), offset);
        offset
    }

    /// Adds a type: its head from the arguments, followed by `body`. Returns its id.
    pub fn add(&mut self, head: Head<'_>, body: &[u32]) -> u32 {
        let name_offset = self.name(head.name);
        let info =
            u32::from(head.kind_flag) << 31 | (head.kind as u32) << 24 | u32::from(head.entries);
        for word in [name_offset, info, head.size_or_type].iter().chain(body) {
            self.types.extend_from_slice(&word.to_le_bytes());
        }
        self.type_count += 1;
        self.type_count
    }

    /// Adds an integer of that size, all of whose bits count.
    pub fn int(&mut self, name: &str, size_bytes: u32) -> u32 {
        let head = Head {
            name,
            size_or_type: size_bytes,
            ..Head::of(Kind::Int)
        };
        self.add(head, &[size_bytes * 8])
    }

    /// Adds a pointer, or what else consists of a reference alone: typedefs, qualifiers.
    pub fn reference(&mut self, kind: Kind, name: &str, to: u32) -> u32 {
        self.add(
            Head {
                name,
                size_or_type: to,
                ..Head::of(kind)
            },
            &[],
        )
    }

    /// Adds an array.
    pub fn array(&mut self, element_type_id: u32, length: u32) -> u32 {
        self.add(Head::of(Kind::Array), &[element_type_id, VOID, length])
    }

    /// Adds a struct or union. Bit field widths are kept if any member has one.
    pub fn structure(
        &mut self,
        kind: Kind,
        name: &str,
        size_bytes: u32,
        members: &[RawMember],
    ) -> u32 {
        let kind_flag = members.iter().any(|member| member.bit_field_bits != 0);
        let body: Vec<u32> = members
            .iter()
            .flat_map(|member| {
                let width = if kind_flag {
                    member.bit_field_bits << 24
                } else {
                    0
                };
                [
                    member.name_offset,
                    member.type_id,
                    member.offset_bits | width,
                ]
            })
            .collect();
        let entries = u16::try_from(members.len()).unwrap_or(u16::MAX);
        let head = Head {
            name,
            kind_flag,
            entries,
            size_or_type: size_bytes,
            ..Head::of(kind)
        };
        self.add(head, &body)
    }

    /// Adds an enumeration of 32-bit values with these names, numbered from 0.
    pub fn enumeration(&mut self, name: &str, values: &[&str]) -> u32 {
        let body: Vec<u32> = (0..)
            .zip(values)
            .flat_map(|(number, value)| [self.name(value), number])
            .collect();
        let entries = u16::try_from(values.len()).unwrap_or(u16::MAX);
        let head = Head {
            name,
            entries,
            size_or_type: 4,
            ..Head::of(Kind::Enum)
        };
        self.add(head, &body)
    }

    /// Adds the signature of a function that returns nothing.
    pub fn function_proto(&mut self, parameters: &[u32]) -> u32 {
        let body: Vec<u32> = parameters
            .iter()
            .flat_map(|&type_id| [0, type_id])
            .collect();
        let entries = u16::try_from(parameters.len()).unwrap_or(u16::MAX);
        self.add(
            Head {
                entries,
                ..Head::of(Kind::FunctionProto)
            },
            &body,
        )
    }

    /// Adds the three types that describe the tracepoint `name` with these arguments.
    pub fn tracepoint(&mut self, name: &str, arguments: &[u32]) -> u32 {
        let data = self.reference(Kind::Pointer, "", VOID);
        let parameters: Vec<u32> = std::iter::once(data)
            .chain(arguments.iter().copied())
            .collect();
        let function = self.function_proto(&parameters);
        let pointer = self.reference(Kind::Pointer, "", function);
        self.reference(Kind::Typedef, &format!("btf_trace_{name}"), pointer)
    }

    /// The finished bytes.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let types_bytes = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
        let strings_bytes = u32::try_from(self.strings.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.types.len() + self.strings.len());
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.extend_from_slice(&[VERSION, 0]);
        // Header length, then offset and length of the types and of the strings.
        for word in [24, 0, types_bytes, types_bytes, strings_bytes] {
            bytes.extend_from_slice(&u32::to_le_bytes(word));
        }
        bytes.extend_from_slice(&self.types);
        bytes.extend_from_slice(&self.strings);
        bytes
    }
}

/// The words every type begins with.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Empty = anonymous.
    pub name: &'a str,
    /// What the type is.
    pub kind: Kind,
    /// See [`super::Type::kind_flag`].
    pub kind_flag: bool,
    /// Number of members, parameters or values that the body has.
    pub entries: u16,
    /// A size in bytes or the id of another type, by kind.
    pub size_or_type: u32,
}

impl Head<'static> {
    /// An anonymous type of that kind without entries, size or reference.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self {
            name: "",
            kind,
            kind_flag: false,
            entries: 0,
            size_or_type: 0,
        }
    }
}
