use super::*;
use crate::kernel::object::OBJECT;
use object::write::{Object, StandardSegment};
use object::{Architecture, BinaryFormat, Endianness};
use proptest::prelude::*;

const OTHER: Instruction = [0xbf, 0x16, 0, 0, 0, 0, 0, 0];

/// An object of two program sections and one of data, with these instructions in them.
fn crafted(first: &[Instruction], second: &[Instruction], data: &[Instruction]) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    for (name, kind, content) in [
        (".text", SectionKind::Text, first),
        ("tp_btf/tcp_probe", SectionKind::Text, second),
        (".rodata", SectionKind::ReadOnlyData, data),
    ] {
        let segment = object.segment_name(StandardSegment::Text).to_vec();
        let section = object.add_section(segment, name.as_bytes().to_vec(), kind);
        object.append_section_data(section, content.as_flattened(), 8);
    }
    object.write().unwrap()
}

fn places_of(wanted: Instruction, object: &[u8]) -> usize {
    let (instructions, _tail) = object.as_chunks::<INSTRUCTION_BYTES>();
    instructions.iter().filter(|each| **each == wanted).count()
}

#[test]
fn the_embedded_object_has_its_calls_resolved_and_none_is_left() {
    let resolved = with_calls_replaced(OBJECT, call_of(77)).unwrap();
    assert_eq!(places_of(call_of(77), &resolved), CALLS);
    let again = with_calls_replaced(&resolved, NO_OPERATION).unwrap_err();
    assert!(matches!(again, CastError::Calls { found: 0 }), "{again}");
}

#[test]
fn the_same_bytes_in_data_stay_as_they_are() {
    let ours = call_of_ours();
    let object = crafted(&[OTHER, ours], &[ours, OTHER, ours], &[ours, ours]);
    let resolved = with_calls_replaced(&object, call_of(77)).unwrap();
    assert_eq!(places_of(call_of(77), &resolved), CALLS);
    assert_eq!(places_of(ours, &resolved), 2);
    assert_eq!(resolved.len(), object.len());
}

#[test]
fn bytes_that_are_no_whole_instruction_are_no_call() {
    let mut between = [OTHER, OTHER];
    between.as_flattened_mut()[4..12].copy_from_slice(&call_of_ours());
    let object = crafted(&between, &[call_of_ours()], &[]);
    let refused = with_calls_replaced(&object, NO_OPERATION).unwrap_err();
    assert!(
        matches!(refused, CastError::Calls { found: 1 }),
        "{refused}"
    );
}

#[test]
fn another_number_of_calls_is_refused() {
    let ours = call_of_ours();
    for calls in [0, 1, CALLS - 1, CALLS + 1] {
        let object = crafted(&vec![ours; calls], &[OTHER], &[ours, ours]);
        let refused = with_calls_replaced(&object, NO_OPERATION).unwrap_err();
        assert!(matches!(refused, CastError::Calls { found } if found == calls));
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for bytes in [
        &b""[..],
        b"\x7fELF",
        &[0; 64],
        &call_of_ours().repeat(CALLS),
    ] {
        let refused = with_calls_replaced(bytes, NO_OPERATION).unwrap_err();
        assert!(matches!(refused, CastError::Unreadable { .. }), "{refused}");
    }
}

#[test]
fn a_call_carries_the_number_and_the_mark_of_a_kernel_function() {
    assert_eq!(call_of(0x0102_0304), [0x85, 0x20, 0, 0, 4, 3, 2, 1]);
}

/// A change of some bytes of an object, most of them where the ELF header and the table of sections
/// say where things lie.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let whole = crafted(
        &[OTHER, call_of_ours()],
        &[call_of_ours(), OTHER, call_of_ours()],
        &[call_of_ours()],
    );
    let length = whole.len();
    let changes = prop::collection::vec((0..length, any::<u8>()), 0..24);
    (changes, 0..=length).prop_map(move |(changes, kept)| {
        let mut bytes = whole.clone();
        for (at, value) in changes {
            bytes[at] = value;
        }
        bytes.truncate(kept.max(length / 2));
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_keep_their_length(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..512), damaged()],
    ) {
        match with_calls_replaced(&bytes, call_of(77)) {
            Ok(resolved) => prop_assert_eq!(resolved.len(), bytes.len()),
            Err(CastError::Calls { found }) => prop_assert_ne!(found, CALLS),
            Err(CastError::Unreadable { .. }) => {}
        }
    }
}
