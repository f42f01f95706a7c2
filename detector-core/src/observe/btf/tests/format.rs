//! Formats, headers and sections that are known, and those that are not.

use super::{integer, sample};
use crate::observe::btf::write::{BtfWriter, Head};
use crate::observe::btf::{Btf, BtfError, Kind};

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
