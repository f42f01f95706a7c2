//! One BTF type: its kind, and views of what follows its head.
//!
//! Format: `Documentation/bpf/btf.rst` in the kernel tree.

use super::error::BtfError;

/// Bytes of the head that every type begins with: name, info word, size or type.
pub(super) const HEAD_BYTES: usize = 12;

/// What a type is. Numbers are those of `include/uapi/linux/btf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// An integer, boolean or character.
    Int = 1,
    /// A pointer.
    Pointer = 2,
    /// An array.
    Array = 3,
    /// A struct.
    Struct = 4,
    /// A union.
    Union = 5,
    /// An enumeration of 32-bit values.
    Enum = 6,
    /// A struct or union declared but not defined.
    Forward = 7,
    /// A typedef.
    Typedef = 8,
    /// `volatile`.
    Volatile = 9,
    /// `const`.
    Const = 10,
    /// `restrict`.
    Restrict = 11,
    /// A function.
    Function = 12,
    /// The signature of a function.
    FunctionProto = 13,
    /// A variable.
    Variable = 14,
    /// A section of variables.
    DataSection = 15,
    /// A floating-point number.
    Float = 16,
    /// A tag on a declaration.
    DeclTag = 17,
    /// A tag on a type, such as `__user`.
    TypeTag = 18,
    /// An enumeration of 64-bit values.
    Enum64 = 19,
}

impl Kind {
    /// The kind of that number, if it is known.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Int,
            2 => Self::Pointer,
            3 => Self::Array,
            4 => Self::Struct,
            5 => Self::Union,
            6 => Self::Enum,
            7 => Self::Forward,
            8 => Self::Typedef,
            9 => Self::Volatile,
            10 => Self::Const,
            11 => Self::Restrict,
            12 => Self::Function,
            13 => Self::FunctionProto,
            14 => Self::Variable,
            15 => Self::DataSection,
            16 => Self::Float,
            17 => Self::DeclTag,
            18 => Self::TypeTag,
            19 => Self::Enum64,
            _ => return None,
        })
    }

    /// True of the kinds that only add a word to another type.
    #[must_use]
    pub fn is_modifier(self) -> bool {
        matches!(
            self,
            Self::Typedef | Self::Volatile | Self::Const | Self::Restrict | Self::TypeTag
        )
    }

    /// True of structs and unions.
    #[must_use]
    pub fn has_members(self) -> bool {
        matches!(self, Self::Struct | Self::Union)
    }

    /// Bytes that follow the head of a type with that many entries.
    pub(super) fn body_bytes(self, entries: usize) -> usize {
        match self {
            Self::Int | Self::Variable | Self::DeclTag => 4,
            Self::Array => 12,
            Self::Struct | Self::Union | Self::DataSection | Self::Enum64 => entries * 12,
            Self::Enum | Self::FunctionProto => entries * 8,
            _ => 0,
        }
    }
}

/// The head of a type, decoded, with the bytes that follow it.
#[derive(Clone, Copy, Debug)]
pub struct Type<'a> {
    /// Its number, counted from 1.
    pub id: u32,
    /// What it is.
    pub kind: Kind,
    /// Offset of its name in the string section; 0 = anonymous.
    pub name_offset: u32,
    /// For structs and unions: members carry bit field widths. Other kinds: see the format.
    pub kind_flag: bool,
    /// A size in bytes or the id of another type, by kind.
    pub size_or_type: u32,
    pub(super) body: &'a [u8],
}

/// A member of a struct or union, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawMember {
    /// Offset of its name in the string section; 0 = anonymous.
    pub name_offset: u32,
    /// Its type.
    pub type_id: u32,
    /// Bits from the start of the struct.
    pub offset_bits: u32,
    /// Width of a bit field, 0 for a plain member.
    pub bit_field_bits: u32,
}

/// Element type and length of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawArray {
    /// Type of an element.
    pub element_type_id: u32,
    /// Number of elements.
    pub length: u32,
}

/// How an integer is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntEncoding {
    /// Bits of the value; fewer than the size in bytes for an old-style bit field.
    pub bits: u32,
    /// Where the value begins within the integer, bits.
    pub offset_bits: u32,
}

impl<'a> Type<'a> {
    /// Decodes the type at the start of `bytes`; `id` is its number, for errors.
    pub(super) fn decode(bytes: &'a [u8], id: u32) -> Result<Self, BtfError> {
        let truncated = BtfError::TruncatedType { type_id: id };
        let (head, rest) = bytes
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or_else(|| truncated.clone())?;
        let info = word(head, 1);
        // Documented are 16 bits of entries and 5 of kind, the bits above each are zero. Reading
        // those too means that a wider number some day is read right or refused, never cut short.
        let entries = (info & 0x00ff_ffff) as usize;
        let number = (info >> 24) & 0x7f;
        let kind = Kind::from_number(number).ok_or(BtfError::UnknownKind {
            type_id: id,
            kind: number,
        })?;
        let body = rest.get(..kind.body_bytes(entries)).ok_or(truncated)?;
        Ok(Self {
            id,
            kind,
            name_offset: word(head, 0),
            kind_flag: info >> 31 == 1,
            size_or_type: word(head, 2),
            body,
        })
    }

    /// Bytes of the type in the type section.
    pub(super) fn stored_bytes(&self) -> usize {
        HEAD_BYTES + self.body.len()
    }

    /// The members of a struct or union; nothing for other kinds.
    pub fn members(&self) -> impl Iterator<Item = RawMember> + use<'a> {
        let kind_flag = self.kind_flag;
        let body = if self.kind.has_members() {
            self.body
        } else {
            &[]
        };
        body.chunks_exact(12).map(move |entry| {
            let place = word(entry, 2);
            let (offset_bits, bit_field_bits) = if kind_flag {
                (place & 0x00ff_ffff, place >> 24)
            } else {
                (place, 0)
            };
            RawMember {
                name_offset: word(entry, 0),
                type_id: word(entry, 1),
                offset_bits,
                bit_field_bits,
            }
        })
    }

    /// Type ids of a signature's parameters, in order; nothing for other kinds.
    pub fn parameters(&self) -> impl Iterator<Item = u32> + use<'a> {
        let body = if self.kind == Kind::FunctionProto {
            self.body
        } else {
            &[]
        };
        body.chunks_exact(8).map(|entry| word(entry, 1))
    }

    /// Where the names of an enumeration's values begin in the string section; nothing for other
    /// kinds.
    pub fn enumerators(&self) -> impl Iterator<Item = u32> + use<'a> {
        let (body, entry_bytes): (&[u8], usize) = match self.kind {
            Kind::Enum => (self.body, 8),
            Kind::Enum64 => (self.body, 12),
            _ => (&[], 8),
        };
        body.chunks_exact(entry_bytes).map(|entry| word(entry, 0))
    }

    /// Element and length, of an array.
    #[must_use]
    pub fn array(&self) -> Option<RawArray> {
        (self.kind == Kind::Array).then(|| RawArray {
            element_type_id: word(self.body, 0),
            length: word(self.body, 2),
        })
    }

    /// The encoding, of an integer.
    #[must_use]
    pub fn int_encoding(&self) -> Option<IntEncoding> {
        (self.kind == Kind::Int).then(|| {
            let encoding = word(self.body, 0);
            IntEncoding {
                bits: encoding & 0xff,
                offset_bits: (encoding >> 16) & 0xff,
            }
        })
    }
}

/// The `index`th 32-bit word; 0 when the bytes end before it, which callers have excluded.
pub(super) fn word(bytes: &[u8], index: usize) -> u32 {
    match bytes.get(index * 4..).and_then(|rest| rest.first_chunk()) {
        Some(&chunk) => u32::from_le_bytes(chunk),
        None => 0,
    }
}
