//! Finds a member of a struct by name, also inside anonymous structs and unions.

use super::types::RawMember;
use super::{Btf, BtfError, Kind, MAX_DEPTH, MAX_MEMBERS_VISITED, MemberError, Type};

/// Where a member lies and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Bits from the start of the struct that was asked for.
    pub offset_bits: u64,
    /// How wide it is.
    pub width: Width,
    /// What it is, typedefs and qualifiers taken off.
    pub kind: MemberKind,
}

/// Width of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// A plain member, of that many bytes.
    Bytes(u64),
    /// A bit field, of that many bits.
    Bits(u32),
}

/// The sorts of member that a reader of kernel memory must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// An integer, boolean or enumeration.
    Integer,
    /// A pointer.
    Pointer,
    /// A struct, a union, an array or anything else.
    Aggregate,
}

impl Member {
    /// Bytes from the start of the struct to the byte that holds the member's first bit.
    #[must_use]
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bits / 8
    }
}

impl Btf<'_> {
    /// Finds the member at `path`, names separated by dots, of the struct or union `structure`.
    ///
    /// Anonymous structs and unions are looked into without being named, as in C. If several
    /// structs have that name, those without the member are left out.
    ///
    /// # Errors
    ///
    /// When the struct or the member is not there, several structs disagree, or the types cannot
    /// be followed.
    pub fn member(&self, structure: &str, path: &str) -> Result<Member, MemberError> {
        let mut visits_left = MAX_MEMBERS_VISITED;
        let mut answer: Option<Result<Member, MemberError>> = None;
        for candidate in self.structs_named(structure) {
            let next = self.member_of(candidate, path, &mut visits_left);
            answer = Some(match (answer, next) {
                (None, next) | (Some(Err(_)), next @ Ok(_)) => next,
                (Some(Ok(one)), Ok(other)) if one != other => return Err(MemberError::Ambiguous),
                (Some(earlier), _) => earlier,
            });
        }
        answer.unwrap_or(Err(MemberError::NoSuchStruct))
    }

    fn member_of(
        &self,
        structure: Type<'_>,
        path: &str,
        visits_left: &mut usize,
    ) -> Result<Member, MemberError> {
        let mut offset_bits: u64 = 0;
        let mut inside = structure.id;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            let found = self
                .find_named(inside, part, 0, visits_left)?
                .ok_or_else(|| MemberError::NoSuchMember {
                    member: part.to_owned(),
                })?;
            // At most MAX_DEPTH numbers of 32 bits for each of the path's parts: no overflow.
            offset_bits += found.offset_bits;
            if parts.peek().is_none() {
                return Ok(self.describe(offset_bits, found.member)?);
            }
            let next = self.strip_modifiers(found.member.type_id)?;
            if !next.kind.has_members() {
                return Err(MemberError::NotAStruct {
                    member: part.to_owned(),
                });
            }
            inside = next.id;
        }
        Err(MemberError::NoSuchMember {
            member: path.to_owned(),
        })
    }

    /// Searches one struct, and the anonymous ones in it, for the member `name`.
    fn find_named(
        &self,
        structure: u32,
        name: &str,
        depth: usize,
        visits_left: &mut usize,
    ) -> Result<Option<Found>, BtfError> {
        if depth == MAX_DEPTH {
            return Err(BtfError::TooDeep { type_id: structure });
        }
        for member in self.type_by_id(structure)?.members() {
            *visits_left = visits_left.checked_sub(1).ok_or(BtfError::TooManyMembers)?;
            if member.name_offset != 0 {
                if self.is_name(member.name_offset, name) {
                    return Ok(Some(Found {
                        offset_bits: u64::from(member.offset_bits),
                        member,
                    }));
                }
                continue;
            }
            let nested = self.strip_modifiers(member.type_id)?;
            if !nested.kind.has_members() {
                // An unnamed bit field: padding.
                continue;
            }
            if let Some(found) = self.find_named(nested.id, name, depth + 1, visits_left)? {
                let offset_bits = found.offset_bits + u64::from(member.offset_bits);
                return Ok(Some(Found {
                    offset_bits,
                    ..found
                }));
            }
        }
        Ok(None)
    }

    fn describe(&self, offset_bits: u64, member: RawMember) -> Result<Member, BtfError> {
        let leaf = self.strip_modifiers(member.type_id)?;
        let kind = match leaf.kind {
            Kind::Int | Kind::Enum | Kind::Enum64 => MemberKind::Integer,
            Kind::Pointer => MemberKind::Pointer,
            _ => MemberKind::Aggregate,
        };
        if member.bit_field_bits != 0 {
            return Ok(Member {
                offset_bits,
                width: Width::Bits(member.bit_field_bits),
                kind,
            });
        }
        // Before kind_flag, a bit field was an integer narrower than its own size.
        if let Some(encoding) = leaf.int_encoding()
            && u64::from(encoding.bits) < u64::from(leaf.size_or_type) * 8
            && encoding.bits != 0
        {
            let offset_bits = offset_bits + u64::from(encoding.offset_bits);
            return Ok(Member {
                offset_bits,
                width: Width::Bits(encoding.bits),
                kind,
            });
        }
        Ok(Member {
            offset_bits,
            width: Width::Bytes(self.size_bytes(leaf.id)?),
            kind,
        })
    }
}

/// A member and its place in the struct the search began with, which may enclose its own.
struct Found {
    offset_bits: u64,
    member: RawMember,
}
