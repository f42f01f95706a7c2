//! The reader against small hand-made BTF: what it finds, and what it refuses.

mod any_bytes;
mod bounds;
mod format;
mod members;

use super::write::{BtfWriter, VOID};
use super::{Btf, Kind, Member, MemberError, MemberKind, RawMember, Width};

/// A plain member.
fn member(writer: &mut BtfWriter, name: &str, type_id: u32, offset_bytes: u32) -> RawMember {
    bit_member(writer, name, type_id, offset_bytes * 8, 0)
}

fn bit_member(
    writer: &mut BtfWriter,
    name: &str,
    type_id: u32,
    offset_bits: u32,
    bit_field_bits: u32,
) -> RawMember {
    RawMember {
        name_offset: writer.name(name),
        type_id,
        offset_bits,
        bit_field_bits,
    }
}

fn integer(offset_bytes: u64, bytes: u64) -> Member {
    Member {
        offset_bits: offset_bytes * 8,
        width: Width::Bytes(bytes),
        kind: MemberKind::Integer,
    }
}

/// `struct inner { u32 a; u32 b; }` as `inner_t` in
/// `struct outer { u32 first; union { struct { u8 low:3, high:4; }; u8 whole; };
///  const volatile inner_t nested; u32 list[3][5]; void *next; }`.
fn sample() -> BtfWriter {
    let mut w = BtfWriter::new();
    let u32_id = w.int("unsigned int", 4);
    let u8_id = w.int("unsigned char", 1);
    let pointer = w.reference(Kind::Pointer, "", VOID);

    let members = [
        member(&mut w, "a", u32_id, 0),
        member(&mut w, "b", u32_id, 4),
    ];
    let inner = w.structure(Kind::Struct, "inner", 8, &members);
    let inner_t = w.reference(Kind::Typedef, "inner_t", inner);
    let volatile = w.reference(Kind::Volatile, "", inner_t);
    let nested = w.reference(Kind::Const, "", volatile);

    let members = [
        bit_member(&mut w, "low", u8_id, 0, 3),
        bit_member(&mut w, "high", u8_id, 3, 4),
    ];
    let bits = w.structure(Kind::Struct, "", 1, &members);
    let members = [
        member(&mut w, "", bits, 0),
        member(&mut w, "whole", u8_id, 0),
    ];
    let choice = w.structure(Kind::Union, "", 1, &members);
    let row = w.array(u32_id, 5);
    let list = w.array(row, 3);

    let members = [
        member(&mut w, "first", u32_id, 0),
        member(&mut w, "", choice, 5),
        member(&mut w, "nested", nested, 8),
        member(&mut w, "list", list, 16),
        member(&mut w, "next", pointer, 80),
    ];
    w.structure(Kind::Struct, "outer", 88, &members);
    w
}

fn find(writer: &BtfWriter, structure: &str, path: &str) -> Result<Member, MemberError> {
    Btf::parse(&writer.finish())
        .expect("well-formed")
        .member(structure, path)
}
