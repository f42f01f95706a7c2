//! No bytes whatever make the reader panic, and what is written is read back.

use super::{integer, member, sample};
use crate::observe::btf::write::BtfWriter;
use crate::observe::btf::{Btf, Kind};
use proptest::prelude::*;

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
