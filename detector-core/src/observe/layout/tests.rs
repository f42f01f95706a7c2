//! One field at a time, in a struct made for it. Whole kernels are in `tests/layouts.rs`.

use detector_common::layout::BitField;

use super::{FieldPlace, FieldReport, Need, survey};
use crate::observe::btf::write::{BtfWriter, VOID};
use crate::observe::btf::{Btf, Kind, RawMember};

/// What is said of `structure.path` where that is the only member of its struct: of the type that
/// `type_id` adds, at that bit, that many bits wide (0: not a bit field).
fn report(
    structure: &str,
    path: &str,
    type_id: impl FnOnce(&mut BtfWriter) -> u32,
    offset_bits: u32,
    bit_field_bits: u32,
) -> FieldReport {
    let mut writer = BtfWriter::new();
    let mut type_id = type_id(&mut writer);
    let (mut offset_bits, mut bit_field_bits) = (offset_bits, bit_field_bits);
    let mut parts = path.rsplit('.').peekable();
    while let Some(part) = parts.next() {
        let name = if parts.peek().is_some() {
            ""
        } else {
            structure
        };
        let member = RawMember {
            name_offset: writer.name(part),
            type_id,
            offset_bits,
            bit_field_bits,
        };
        type_id = writer.structure(Kind::Struct, name, 64, &[member]);
        (offset_bits, bit_field_bits) = (0, 0);
    }
    let bytes = writer.finish();
    let found = survey(&Btf::parse(&bytes).expect("well-formed"));
    found
        .fields
        .into_iter()
        .find(|field| field.structure == structure && field.path == path)
        .expect("in the table")
}

fn u8_id(writer: &mut BtfWriter) -> u32 {
    writer.int("unsigned char", 1)
}

fn u64_id(writer: &mut BtfWriter) -> u32 {
    writer.int("unsigned long", 8)
}

fn pointer_id(writer: &mut BtfWriter) -> u32 {
    writer.reference(Kind::Pointer, "", VOID)
}

#[test]
fn a_field_of_the_expected_size_is_found() {
    let field = report("tcp_sock", "snd_wnd", |w| w.int("unsigned int", 4), 96, 0);
    assert_eq!(field.outcome, Ok(FieldPlace::Byte(12)));
    assert!(!field.is_fatal());
    assert_eq!(field.to_string(), "struct tcp_sock.snd_wnd: at 12");
}

#[test]
fn a_field_of_another_size_is_refused() {
    // Loading 32 of 64 bits would give half of the number.
    let field = report("tcp_sock", "snd_wnd", u64_id, 96, 0);
    assert!(field.is_fatal());
    assert_eq!(
        field.to_string(),
        "struct tcp_sock.snd_wnd: expected a 32-bit integer, found an integer of 8 bytes at 12"
    );
}

#[test]
fn an_optional_field_of_another_size_is_refused_too() {
    let field = report("sock_common", "skc_v6_daddr", u64_id, 96, 0);
    assert_eq!(field.need, Need::Optional);
    assert!(field.is_fatal());
}

#[test]
fn a_pointer_is_no_integer_of_its_size() {
    let field = report("tcp_sock", "bytes_acked", pointer_id, 64, 0);
    assert_eq!(
        field.to_string(),
        "struct tcp_sock.bytes_acked: expected a 64-bit integer, found a pointer of 8 bytes at 8"
    );
    assert!(report("sk_buff", "data", u64_id, 64, 0).is_fatal());
    assert_eq!(
        report("sk_buff", "data", pointer_id, 64, 0).outcome,
        Ok(FieldPlace::Byte(8))
    );
}

#[test]
fn a_bit_field_within_a_byte_is_found() {
    let field = report("tcp_sock", "rx_opt.snd_wscale", u8_id, 20, 4);
    let place = BitField {
        offset: 2,
        shift: 4,
        mask: 15,
    };
    assert_eq!(field.outcome, Ok(FieldPlace::Bits(place)));
    assert_eq!(
        field.to_string(),
        "struct tcp_sock.rx_opt.snd_wscale: at 2, 4 bits from bit 4"
    );
}

#[test]
fn a_whole_byte_serves_as_a_bit_field() {
    for path in ["rx_opt.snd_wscale", "inet_conn.icsk_ca_state"] {
        let place = BitField {
            offset: 3,
            shift: 0,
            mask: 255,
        };
        assert_eq!(
            report("tcp_sock", path, u8_id, 24, 0).outcome,
            Ok(FieldPlace::Bits(place))
        );
    }
}

#[test]
fn a_bit_field_across_bytes_is_refused() {
    let field = report(
        "tcp_sock",
        "rx_opt.snd_wscale",
        |w| w.int("unsigned int", 4),
        22,
        4,
    );
    assert!(field.is_fatal());
    assert_eq!(
        field.to_string(),
        "struct tcp_sock.rx_opt.snd_wscale: expected a field of 4 to 8 bits within one byte, \
         found a bit field of 4 bits at 2, bit 6"
    );
}

#[test]
fn a_bit_field_too_narrow_is_refused() {
    assert!(report("tcp_sock", "rx_opt.snd_wscale", u8_id, 16, 3).is_fatal());
}

#[test]
fn a_byte_that_became_a_bit_field_is_refused() {
    assert!(report("tcp_sock", "inet_conn.icsk_backoff", u8_id, 16, 4).is_fatal());
}

#[test]
fn a_variant_of_another_shape_is_left_out() {
    // `ts_recent_stamp` was a `long` once: the kernel side then does without that test.
    let field = report("tcp_sock", "rx_opt.ts_recent_stamp", u64_id, 64, 0);
    assert_eq!(field.need, Need::Variant);
    assert!(field.outcome.is_err() && !field.is_fatal());
}

#[test]
fn a_value_of_an_enumeration_is_found_or_named() {
    let found = |name: &str| {
        let mut writer = BtfWriter::new();
        writer.enumeration("inet_csk_ack_state_t", &["ICSK_ACK_SCHED", name]);
        let bytes = writer.finish();
        let found = survey(&Btf::parse(&bytes).expect("well-formed"));
        let field = found
            .fields
            .into_iter()
            .find(|field| field.path == "ICSK_ACK_NOMEM");
        field.expect("in the table").to_string()
    };
    assert_eq!(
        found("ICSK_ACK_NOMEM"),
        "enum inet_csk_ack_state_t.ICSK_ACK_NOMEM: present"
    );
    assert_eq!(
        found("ICSK_ACK_NOMEMORY"),
        "enum inet_csk_ack_state_t.ICSK_ACK_NOMEM: no member ICSK_ACK_NOMEM"
    );
}

#[test]
fn a_struct_that_no_longer_comes_first_is_refused() {
    let block = |w: &mut BtfWriter| w.structure(Kind::Struct, "", 8, &[]);
    assert!(!report("sock", "__sk_common", block, 0, 0).is_fatal());
    let field = report("sock", "__sk_common", block, 64, 0);
    assert!(field.is_fatal());
    assert_eq!(
        field.to_string(),
        "struct sock.__sk_common: expected a member at offset 0, \
         found a struct, union or array of 8 bytes at 8"
    );
}
