//! The reader against small hand-made BTF: what it finds, and what it refuses.

use proptest::prelude::*;

use super::write::{BtfWriter, Head, VOID};
use super::{
    Btf, BtfError, Kind, MAX_DEPTH, Member, MemberError, MemberKind, POINTER_BYTES, RawMember,
    Width,
};

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

#[test]
fn finds_members_through_typedefs_qualifiers_and_anonymous_structs() {
    let sample = sample();
    assert_eq!(find(&sample, "outer", "first"), Ok(integer(0, 4)));
    assert_eq!(find(&sample, "outer", "whole"), Ok(integer(5, 1)));
    assert_eq!(find(&sample, "outer", "nested.b"), Ok(integer(12, 4)));
    assert_eq!(
        find(&sample, "outer", "high"),
        Ok(Member {
            offset_bits: 43,
            width: Width::Bits(4),
            kind: MemberKind::Integer
        })
    );
    assert_eq!(
        find(&sample, "outer", "list"),
        Ok(Member {
            offset_bits: 128,
            width: Width::Bytes(60),
            kind: MemberKind::Aggregate
        })
    );
    assert_eq!(
        find(&sample, "outer", "next"),
        Ok(Member {
            offset_bits: 640,
            width: Width::Bytes(POINTER_BYTES),
            kind: MemberKind::Pointer
        })
    );
}

#[test]
fn names_what_is_missing() {
    let sample = sample();
    let missing = |member: &str| {
        Err(MemberError::NoSuchMember {
            member: member.to_owned(),
        })
    };
    assert_eq!(
        find(&sample, "absent", "first"),
        Err(MemberError::NoSuchStruct)
    );
    assert_eq!(find(&sample, "outer", "second"), missing("second"));
    // Neither the beginning nor the continuation of a name is that name.
    assert_eq!(find(&sample, "outer", "firs"), missing("firs"));
    assert_eq!(find(&sample, "outer", "first2"), missing("first2"));
    assert_eq!(
        find(&sample, "oute", "first"),
        Err(MemberError::NoSuchStruct)
    );
    assert_eq!(find(&sample, "outer", "nested.c"), missing("c"));
    assert_eq!(find(&sample, "outer", ""), missing(""));
    assert_eq!(
        find(&sample, "outer", "next.a"),
        Err(MemberError::NotAStruct {
            member: "next".to_owned()
        })
    );
}

#[test]
fn reads_bit_fields_from_before_member_widths() {
    let mut w = BtfWriter::new();
    // A char of which 4 bits count, from bit 4 on: how pahole once wrote `u8 x:4`.
    let head = Head {
        name: "unsigned char",
        size_or_type: 1,
        ..Head::of(Kind::Int)
    };
    let nibble = w.add(head, &[4 << 16 | 4]);
    let members = [member(&mut w, "x", nibble, 2)];
    w.structure(Kind::Struct, "old", 3, &members);
    assert_eq!(
        find(&w, "old", "x"),
        Ok(Member {
            offset_bits: 20,
            width: Width::Bits(4),
            kind: MemberKind::Integer
        })
    );
}

#[test]
fn structs_of_the_same_name_must_agree() {
    let mut w = BtfWriter::new();
    let u32_id = w.int("unsigned int", 4);
    let x = member(&mut w, "x", u32_id, 4);
    let y = member(&mut w, "y", u32_id, 8);
    let y_elsewhere = member(&mut w, "y", u32_id, 12);
    w.structure(Kind::Struct, "twice", 16, &[y]);
    w.structure(Kind::Struct, "twice", 16, &[x, y]);
    assert_eq!(find(&w, "twice", "x"), Ok(integer(4, 4)));
    assert_eq!(find(&w, "twice", "y"), Ok(integer(8, 4)));
    w.structure(Kind::Struct, "twice", 16, &[y_elsewhere]);
    assert_eq!(find(&w, "twice", "x"), Ok(integer(4, 4)));
    assert_eq!(find(&w, "twice", "y"), Err(MemberError::Ambiguous));
}

#[test]
fn circles_end() {
    let mut w = BtfWriter::new();
    // Typedefs 1 and 2 name one another; struct 3 holds itself; array 4 consists of itself.
    w.reference(Kind::Typedef, "ping", 2);
    w.reference(Kind::Typedef, "pong", 1);
    let members = [
        member(&mut w, "", 3, 0),
        member(&mut w, "pong", 2, 0),
        member(&mut w, "list", 4, 0),
    ];
    w.structure(Kind::Struct, "loop", 4, &members);
    w.array(4, 2);

    let bytes = w.finish();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(
        btf.strip_modifiers(1).err(),
        Some(BtfError::TooDeep { type_id: 1 })
    );
    assert_eq!(btf.size_bytes(4), Err(BtfError::TooDeep { type_id: 4 }));
    assert_eq!(
        btf.member("loop", "x"),
        Err(MemberError::Malformed(BtfError::TooDeep { type_id: 3 }))
    );
}

#[test]
fn nesting_that_multiplies_ends() {
    let mut w = BtfWriter::new();
    let mut inside = w.structure(Kind::Struct, "", 0, &[]);
    for _ in 0..MAX_DEPTH - 2 {
        let twice = [member(&mut w, "", inside, 0), member(&mut w, "", inside, 0)];
        inside = w.structure(Kind::Struct, "", 0, &twice);
    }
    let once = [member(&mut w, "", inside, 0)];
    w.structure(Kind::Struct, "wide", 0, &once);
    assert_eq!(
        find(&w, "wide", "x"),
        Err(MemberError::Malformed(BtfError::TooManyMembers))
    );
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let mut w = BtfWriter::new();
    let mut list = w.int("unsigned int", 4);
    for _ in 0..3 {
        list = w.array(list, u32::MAX);
    }
    let function = w.function_proto(&[]);
    let bytes = w.finish();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(
        btf.size_bytes(list),
        Err(BtfError::Overflow { type_id: list })
    );
    assert_eq!(
        btf.size_bytes(function),
        Err(BtfError::NoSize { type_id: function })
    );
    assert_eq!(
        btf.size_bytes(VOID),
        Err(BtfError::NoSuchType { type_id: VOID })
    );
}

#[test]
fn tells_the_arguments_of_a_tracepoint() {
    let mut w = BtfWriter::new();
    let pointer = w.reference(Kind::Pointer, "", VOID);
    let int = w.int("int", 4);
    w.tracepoint("tcp_probe", &[pointer, pointer]);
    w.tracepoint("tcp_retransmit_skb", &[pointer, pointer, int]);
    w.reference(Kind::Typedef, "btf_trace_odd", int);
    let bytes = w.finish();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(
        btf.tracepoint_arguments("tcp_probe"),
        Ok(Some(vec![pointer, pointer]))
    );
    assert_eq!(
        btf.tracepoint_arguments("tcp_retransmit_skb"),
        Ok(Some(vec![pointer, pointer, int]))
    );
    assert_eq!(btf.tracepoint_arguments("tcp_prob"), Ok(None));
    assert!(btf.tracepoint_arguments("odd").is_err());
}

#[test]
fn knows_every_kind() {
    let mut w = BtfWriter::new();
    for number in 1..=19 {
        let kind = Kind::from_number(number).expect("known");
        assert_eq!(kind as u32, number);
        let body = vec![0; kind.body_bytes(2) / 4];
        w.add(
            Head {
                entries: 2,
                ..Head::of(kind)
            },
            &body,
        );
    }
    let bytes = w.finish();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(btf.type_count(), 19);
    for id in 1..=19 {
        assert_eq!(btf.type_by_id(id).expect("there").kind as u32, id);
    }
    assert_eq!(
        btf.type_by_id(20).err(),
        Some(BtfError::NoSuchType { type_id: 20 })
    );
}

/// The sample with the byte at `offset` replaced.
fn damaged(offset: usize, byte: u8) -> BtfError {
    let mut bytes = sample().finish();
    bytes[offset] = byte;
    Btf::parse(&bytes).expect_err("damaged")
}

#[test]
fn refuses_other_formats_by_name() {
    let mut swapped = sample().finish();
    swapped[..2].reverse();
    assert_eq!(Btf::parse(&swapped).err(), Some(BtfError::BigEndian));
    assert_eq!(
        Btf::parse(b"\x7fELF and some more than a header").err(),
        Some(BtfError::NotBtf { magic: 0x457f })
    );
    assert_eq!(
        Btf::parse(b"\x9f\xeb").err(),
        Some(BtfError::TruncatedHeader { bytes: 2 })
    );
    assert_eq!(damaged(2, 2), BtfError::UnsupportedVersion { version: 2 });
    assert_eq!(
        damaged(3, 1),
        BtfError::UnsupportedHeader {
            flags: 1,
            header_bytes: 24
        }
    );
    assert_eq!(
        damaged(4, 20),
        BtfError::UnsupportedHeader {
            flags: 0,
            header_bytes: 20
        }
    );
    // The info word of the first type is at 24 + 4; its top byte holds the kind.
    assert_eq!(
        damaged(31, 20),
        BtfError::UnknownKind {
            type_id: 1,
            kind: 20
        }
    );
}

#[test]
fn refuses_damaged_sections() {
    assert!(matches!(
        damaged(8, 2),
        BtfError::BadSection {
            section: "type",
            ..
        }
    ));
    assert!(matches!(
        damaged(15, 1),
        BtfError::BadSection {
            section: "type",
            ..
        }
    ));
    assert!(matches!(
        damaged(19, 1),
        BtfError::BadSection {
            section: "string",
            ..
        }
    ));
    let last = sample().finish().len() - 1;
    assert_eq!(damaged(last, b'x'), BtfError::UnterminatedStrings);
    // 255 members where there are 5: the last struct then reaches beyond the section.
    let mut w = BtfWriter::new();
    w.structure(Kind::Struct, "s", 0, &[]);
    let mut bytes = w.finish();
    bytes[28] = 255;
    assert_eq!(
        Btf::parse(&bytes).err(),
        Some(BtfError::TruncatedType { type_id: 1 })
    );
}

#[test]
fn a_longer_header_is_no_obstacle() {
    let mut bytes = sample().finish();
    bytes[4] = 32;
    bytes.splice(24..24, [0; 8]);
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert_eq!(btf.member("outer", "nested.b"), Ok(integer(12, 4)));
}

/// Everything that can be asked, so that no answer to damaged bytes is a panic.
fn ask_everything(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for name in ["outer", "inner", "loop", ""] {
        for path in ["first", "nested.b", "high", "list", "next.x", "", "."] {
            drop(btf.member(name, path));
        }
    }
    for id in 0..=u32::try_from(btf.type_count()).expect("few") + 1 {
        let _ = btf.size_bytes(id);
        let Ok(found) = btf.type_by_id(id) else {
            continue;
        };
        let _ = btf.name(found.name_offset);
        let _ = (
            found.members().count(),
            found.parameters().count(),
            found.array(),
        );
    }
    drop(btf.tracepoint_arguments("tcp_probe"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        ask_everything(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_good_header_are_read_or_refused(
        types in prop::collection::vec(any::<u8>(), 0..400),
        strings in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        let types_bytes = u32::try_from(types.len()).expect("few");
        let strings_bytes = u32::try_from(strings.len()).expect("few") + 2;
        for word in [24, 0, types_bytes, types_bytes, strings_bytes] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&types);
        bytes.push(0);
        bytes.extend_from_slice(&strings);
        bytes.push(0);
        ask_everything(&bytes);
    }

    #[test]
    fn damage_to_good_bytes_is_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = sample().finish();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        ask_everything(&bytes);
    }

    #[test]
    fn a_written_struct_is_read_back(
        sizes in prop::collection::vec(prop::sample::select(vec![1_u32, 2, 4, 8]), 1..20),
    ) {
        let mut w = BtfWriter::new();
        let mut members = Vec::new();
        let mut expected = Vec::new();
        let mut offset = 0;
        for (index, &size) in sizes.iter().enumerate() {
            let type_id = w.int("int", size);
            offset = u32::next_multiple_of(offset, size);
            let name = format!("m{index}");
            members.push(member(&mut w, &name, type_id, offset));
            expected.push((name, integer(u64::from(offset), u64::from(size))));
            offset += size;
        }
        w.structure(Kind::Struct, "s", offset, &members);
        let bytes = w.finish();
        let btf = Btf::parse(&bytes).expect("well-formed");
        for (name, place) in expected {
            prop_assert_eq!(btf.member("s", &name), Ok(place));
        }
    }
}
