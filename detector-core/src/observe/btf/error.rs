//! What can be wrong with a BTF blob, or with a question put to it.

use std::fmt;

/// Why bytes are not usable as BTF. Names the place, so that a bug report says enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BtfError {
    /// More bytes than [`super::MAX_BYTES`].
    TooLarge {
        /// Length of the input.
        bytes: usize,
    },
    /// More types than [`super::MAX_TYPES`].
    TooManyTypes,
    /// The input ends inside the header.
    TruncatedHeader {
        /// Length of the input.
        bytes: usize,
    },
    /// The first two bytes are not the magic 0xeb9f.
    NotBtf {
        /// The first two bytes, read as little-endian.
        magic: u16,
    },
    /// BTF of a big-endian machine.
    BigEndian,
    /// A format version other than 1.
    UnsupportedVersion {
        /// The version found.
        version: u8,
    },
    /// Flags or a header length that version 1 does not have.
    UnsupportedHeader {
        /// The flags found; 0 is expected.
        flags: u8,
        /// The header length found, bytes; at least 24 is expected.
        header_bytes: u32,
    },
    /// A section reaches beyond the input or is not aligned.
    BadSection {
        /// `type` or `string`.
        section: &'static str,
        /// Byte offset after the header.
        offset: u32,
        /// Length in bytes.
        bytes: u32,
    },
    /// The string section does not begin and end with a zero byte.
    UnterminatedStrings,
    /// The type section ends inside a type.
    TruncatedType {
        /// Id of that type.
        type_id: u32,
    },
    /// A type of a kind that this reader does not know, so its length is unknown too.
    UnknownKind {
        /// Id of that type.
        type_id: u32,
        /// The kind's number.
        kind: u32,
    },
    /// A reference to a type that is not there.
    NoSuchType {
        /// The id that was referred to.
        type_id: u32,
    },
    /// A name that lies outside the string section, or is no UTF-8.
    BadName {
        /// Offset in the string section.
        offset: u32,
    },
    /// Types nested deeper than [`super::MAX_DEPTH`], or in a circle.
    TooDeep {
        /// Where following them was given up.
        type_id: u32,
    },
    /// More members had to be looked at than [`super::MAX_MEMBERS_VISITED`].
    TooManyMembers,
    /// A type without a size (void, a function, a forward declaration) where one is needed.
    NoSize {
        /// Id of that type.
        type_id: u32,
    },
    /// A size or an offset that does not fit its number.
    Overflow {
        /// Id of the type whose size or offset it is.
        type_id: u32,
    },
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "BTF of {bytes} bytes is over the limit of {}",
                    super::MAX_BYTES
                )
            }
            Self::TooManyTypes => {
                write!(
                    f,
                    "BTF has more types than the limit of {}",
                    super::MAX_TYPES
                )
            }
            Self::TruncatedHeader { bytes } => {
                write!(f, "BTF of {bytes} bytes ends inside its header")
            }
            Self::NotBtf { magic } => {
                write!(f, "not BTF: begins with {magic:#06x}, not 0xeb9f")
            }
            Self::BigEndian => {
                write!(
                    f,
                    "BTF of a big-endian machine; only little-endian ones are supported"
                )
            }
            Self::UnsupportedVersion { version } => {
                write!(
                    f,
                    "BTF version {version} is not supported, only version 1 is"
                )
            }
            Self::UnsupportedHeader {
                flags,
                header_bytes,
            } => write!(
                f,
                "BTF header with flags {flags:#04x} and length {header_bytes} is not supported"
            ),
            Self::BadSection {
                section,
                offset,
                bytes,
            } => write!(
                f,
                "BTF {section} section at {offset}, {bytes} bytes, is misaligned or beyond the end"
            ),
            Self::UnterminatedStrings => {
                write!(
                    f,
                    "BTF string section does not begin and end with a zero byte"
                )
            }
            Self::TruncatedType { type_id } => {
                write!(f, "BTF type section ends inside type {type_id}")
            }
            Self::UnknownKind { type_id, kind } => {
                write!(f, "BTF type {type_id} is of kind {kind}, which is unknown")
            }
            Self::NoSuchType { type_id } => write!(f, "BTF has no type {type_id}"),
            Self::BadName { offset } => {
                write!(
                    f,
                    "BTF name at {offset} is outside the string section or no UTF-8"
                )
            }
            Self::TooDeep { type_id } => {
                write!(f, "BTF type {type_id} is nested too deeply or in a circle")
            }
            Self::TooManyMembers => write!(
                f,
                "BTF structs nest more than {} members",
                super::MAX_MEMBERS_VISITED
            ),
            Self::NoSize { type_id } => write!(f, "BTF type {type_id} has no size"),
            Self::Overflow { type_id } => {
                write!(
                    f,
                    "BTF type {type_id} has a size or an offset that is too large"
                )
            }
        }
    }
}

impl std::error::Error for BtfError {}

/// Why a member has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberError {
    /// No struct or union of that name.
    NoSuchStruct,
    /// The struct is there, the path is not.
    NoSuchMember {
        /// The part of the path that was not found.
        member: String,
    },
    /// A part of the path, not the last, is no struct or union.
    NotAStruct {
        /// That part.
        member: String,
    },
    /// Several structs of that name disagree about the member.
    Ambiguous,
    /// The types on the way are unusable.
    Malformed(BtfError),
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStruct => write!(f, "no such struct"),
            Self::NoSuchMember { member } => write!(f, "no member {member}"),
            Self::NotAStruct { member } => write!(f, "member {member} is no struct"),
            Self::Ambiguous => write!(f, "several structs of this name differ in it"),
            Self::Malformed(_) => write!(f, "its types cannot be read"),
        }
    }
}

impl std::error::Error for MemberError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<BtfError> for MemberError {
    fn from(cause: BtfError) -> Self {
        Self::Malformed(cause)
    }
}
