//! Members are found by their path, or named where they are not.

use super::{find, integer, member, sample};
use crate::observe::btf::write::{BtfWriter, Head, VOID};
use crate::observe::btf::{Btf, Kind, Member, MemberError, MemberKind, POINTER_BYTES, Width};

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
fn finds_values_of_enumerations() {
    let mut w = sample();
    w.enumeration("state", &["FIRST", "SECOND"]);
    let head = Head {
        name: "wide",
        entries: 1,
        ..Head::of(Kind::Enum64)
    };
    let name = w.name("THIRD");
    w.add(head, &[name, 0, 0]);
    let bytes = w.finish();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert!(btf.has_enumerator("state", "SECOND") && btf.has_enumerator("wide", "THIRD"));
    // Neither a part of a name, nor another's, nor a member of a struct.
    for (enumeration, name) in [
        ("state", "FIRS"),
        ("state", "THIRD"),
        ("stat", "FIRST"),
        ("", "FIRST"),
        ("outer", "first"),
    ] {
        assert!(
            !btf.has_enumerator(enumeration, name),
            "{enumeration}.{name}"
        );
    }
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
fn tells_an_iterator_by_its_function() {
    let mut w = BtfWriter::new();
    let signature = w.function_proto(&[]);
    w.reference(Kind::Function, "bpf_iter_tcp", signature);
    w.structure(Kind::Struct, "bpf_iter_udp", 0, &[]);
    let bytes = w.finish();
    let btf = Btf::parse(&bytes).expect("well-formed");
    assert!(btf.has_iterator("tcp"));
    assert!(!btf.has_iterator("udp"));
    assert!(!btf.has_iterator("tc"));
}
