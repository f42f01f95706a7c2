//! Target `btf`: the kernel's description of its types, and the layout looked up in it.

use detector_core::observe::btf::write::{BtfWriter, Head, VOID};
use detector_core::observe::btf::{Btf, Kind, RawMember, Width};
use detector_core::observe::layout::{FieldPlace, TRACEPOINTS, survey, wanted_fields};

/// Types asked about one by one; more would make large inputs slow and find nothing else.
const TYPES_ASKED: u32 = 2_000;

/// Parses, looks up the layout, and asks about every type.
///
/// # Panics
///
/// If the answers contradict one another.
pub fn run(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes) else { return };
    check_layout(&btf);
    let type_count = u32::try_from(btf.type_count()).expect("limited by the reader");
    for id in 0..=type_count.min(TYPES_ASKED) {
        ask_about(&btf, id);
    }
    assert!(
        btf.type_by_id(type_count + 1).is_err(),
        "a type beyond the last"
    );
}

fn check_layout(btf: &Btf<'_>) {
    let found = survey(btf);
    let fatal = found.fields.iter().any(|field| field.is_fatal());
    assert!(
        !(fatal && found.layout.is_ok()),
        "a layout although fields are unusable"
    );
    for field in &found.fields {
        assert!(!field.to_string().is_empty());
        if let Ok(FieldPlace::Bits(bits)) = field.outcome {
            assert!(
                bits.mask != 0 && bits.mask << bits.shift <= 0xff,
                "{bits:?} leaves its byte"
            );
        }
    }
    if let Err(error) = &found.layout {
        assert!(!error.to_string().is_empty());
    }
    for name in TRACEPOINTS {
        drop(btf.tracepoint_arguments(name));
    }
    let _ = btf.has_iterator("tcp");
}

fn ask_about(btf: &Btf<'_>, id: u32) {
    let size = btf.size_bytes(id);
    let stripped = btf.strip_modifiers(id);
    let Ok(found) = btf.type_by_id(id) else {
        assert!(
            size.is_err() && stripped.is_err(),
            "answers about a type that is not there"
        );
        return;
    };
    let name = btf.name(found.name_offset);
    for member in found.members().take(50) {
        let Ok(member_name) = btf.name(member.name_offset) else {
            continue;
        };
        if let Ok(name) = name
            && let Ok(place) = btf.member(name, member_name)
        {
            assert!(place.width != Width::Bits(0), "a bit field without bits");
        }
    }
    assert!(found.parameters().count() <= bytes_of_largest_type());
}

/// An entry takes at least 8 bytes and there are at most 2^24 of them.
fn bytes_of_largest_type() -> usize {
    1 << 24
}

/// A small description that has every wanted field, one of each kind, and real kernels' extracts.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        flat_kernel(),
        every_kind(),
        include_bytes!("../../detector-core/tests/layouts/5.10.btf").to_vec(),
        include_bytes!("../../detector-core/tests/layouts/7.2.btf").to_vec(),
    ]
}

/// A struct for each wanted field, with anonymous structs for all but the last part of its path.
fn flat_kernel() -> Vec<u8> {
    let mut w = BtfWriter::new();
    let int = w.int("unsigned int", 4);
    let pointer = w.reference(Kind::Pointer, "", VOID);
    for (structure, path) in wanted_fields() {
        let mut type_id = int;
        let mut parts = path.rsplit('.').peekable();
        while let Some(part) = parts.next() {
            let name = if parts.peek().is_some() {
                ""
            } else {
                structure
            };
            let bit_field_bits = if part == "snd_wscale" { 4 } else { 0 };
            let name_offset = w.name(part);
            let member = RawMember {
                name_offset,
                type_id,
                offset_bits: 0,
                bit_field_bits,
            };
            type_id = w.structure(Kind::Struct, name, 4, &[member]);
        }
    }
    for name in TRACEPOINTS {
        w.tracepoint(name, &[pointer, pointer, int]);
    }
    w.finish()
}

fn every_kind() -> Vec<u8> {
    let mut w = BtfWriter::new();
    for number in 1..=19 {
        let Some(kind) = Kind::from_number(number) else {
            continue;
        };
        // One entry each: 4 bytes for some kinds, 8 or 12 for others.
        let body: &[u32] = match kind {
            Kind::Int | Kind::Variable | Kind::DeclTag => &[32],
            Kind::Array => &[1, 1, 3],
            Kind::Struct | Kind::Union | Kind::DataSection | Kind::Enum64 => &[0, 1, 0],
            Kind::Enum | Kind::FunctionProto => &[0, 1],
            _ => &[],
        };
        w.add(
            Head {
                name: "tcp_sock",
                entries: 1,
                size_or_type: 1,
                ..Head::of(kind)
            },
            body,
        );
    }
    w.finish()
}
