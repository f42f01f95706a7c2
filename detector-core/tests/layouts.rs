//! The layout of real kernels: extracts checked in under `layouts/`, and the running kernel.
//!
//! The expected places were read from `bpftool btf dump` of the whole originals, by other code.
// Clippy's leave for tests covers test functions, not what they share.
#![allow(clippy::expect_used, clippy::panic)]

use detector_common::layout::{ABSENT, KernelLayout};
use detector_core::observe::btf::{Btf, Width};
use detector_core::observe::layout::{
    FieldPlace, LayoutError, Need, Survey, TRACEPOINTS, resolve, survey, wanted_fields,
};
use proptest::prelude::*;

struct Kernel {
    name: &'static str,
    btf: &'static [u8],
    fields: &'static str,
    /// `tcp_sock.snd_wnd`, as seen by a program that was run on that kernel.
    snd_wnd: u64,
}

macro_rules! kernel {
    ($name:literal, $snd_wnd:literal) => {
        Kernel {
            name: $name,
            btf: include_bytes!(concat!("layouts/", $name, ".btf")),
            fields: include_str!(concat!("layouts/", $name, ".fields")),
            snd_wnd: $snd_wnd,
        }
    };
}

const KERNELS: [Kernel; 5] = [
    kernel!("5.10", 1524),
    kernel!("6.1", 1572),
    kernel!("6.12", 1492),
    kernel!("6.18", 1436),
    kernel!("7.2", 1476),
];

#[test]
fn every_kernel_resolves_to_what_bpftool_says() {
    for kernel in KERNELS {
        let btf = Btf::parse(kernel.btf).expect(kernel.name);
        let Survey { fields, layout } = survey(&btf);
        let layout = layout.unwrap_or_else(|error| panic!("{}: {error}", kernel.name));
        let mut lines: Vec<String> = fields.iter().map(ToString::to_string).collect();
        lines.push(format!("retransmit_has_err: {}", layout.retransmit_has_err));
        lines.push(format!("victim_is_task: {}", layout.victim_is_task));
        assert_eq!(
            lines,
            kernel.fields.lines().collect::<Vec<_>>(),
            "kernel {}",
            kernel.name
        );
        assert_eq!(layout.snd_wnd, kernel.snd_wnd, "kernel {}", kernel.name);
        assert_is_plausible(&btf, &layout, kernel.name);
    }
}

#[test]
fn the_running_kernel_resolves() {
    let file = "/sys/kernel/btf/vmlinux";
    let bytes = std::fs::read(file).unwrap_or_else(|error| {
        panic!("read {file}: {error}; run the tests on a kernel with CONFIG_DEBUG_INFO_BTF")
    });
    let btf = Btf::parse(&bytes).expect(file);
    let layout = resolve(&btf).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_is_plausible(&btf, &layout, "running");
}

/// What holds for every kernel, and would not if names and places were mixed up.
fn assert_is_plausible(btf: &Btf<'_>, layout: &KernelLayout, kernel: &str) {
    // Fixed in include/net/sock.h since before 5.10; sock_diag and many programs rely on it.
    let head = [
        (layout.skc_daddr, 0),
        (layout.skc_rcv_saddr, 4),
        (layout.skc_dport, 12),
        (layout.skc_num, 14),
        (layout.skc_family, 16),
        (layout.skc_state, 18),
    ];
    for (found, expected) in head {
        assert_eq!(found, expected, "kernel {kernel}");
    }
    for name in TRACEPOINTS {
        assert!(
            btf.tracepoint_arguments(name).expect(name).is_some(),
            "kernel {kernel}: {name}"
        );
    }
    assert!(
        layout.icsk_ca_state.offset < layout.icsk_retransmits,
        "kernel {kernel}"
    );
    assert!(layout.icsk_ca_state.mask >= 7, "kernel {kernel}");
    assert!(layout.snd_wscale.mask >= 15, "kernel {kernel}");

    // No two of the fields read lie in one another, and none beyond its struct.
    for structure in [
        "sock_common",
        "sock",
        "tcp_sock",
        "sk_buff",
        "net",
        "user_namespace",
        "socket_alloc",
    ] {
        let size_bits = 8 * u64::from(
            btf.structs_named(structure)
                .next()
                .expect(structure)
                .size_or_type,
        );
        let mut places: Vec<(u64, u64, &str)> = wanted_fields()
            .filter(|&(of, path)| {
                of == structure && !path.ends_with("__sk_common") && path != "socket"
            })
            .filter_map(|(of, path)| {
                // The variants are not everywhere.
                let member = btf.member(of, path).ok()?;
                let bits = match member.width {
                    Width::Bytes(bytes) => bytes * 8,
                    Width::Bits(bits) => u64::from(bits),
                };
                Some((member.offset_bits, member.offset_bits + bits, path))
            })
            .collect();
        places.sort_unstable();
        for pair in places.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "kernel {kernel}: {pair:?} overlap");
        }
        let end = places.last().expect(structure).1;
        assert!(
            end <= size_bits,
            "kernel {kernel}: {structure} ends before {places:?}"
        );
    }
}

/// The extract with each name of a member changed that is exactly `old`.
fn renamed(btf: &[u8], old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let [old, new] = [old, new].map(|name| format!("\0{name}\0").into_bytes());
    let mut bytes = btf.to_vec();
    let place = bytes
        .windows(old.len())
        .position(|window| window == old)
        .expect("there");
    bytes[place..place + new.len()].copy_from_slice(&new);
    bytes
}

#[test]
fn missing_required_fields_are_all_named() {
    let bytes = renamed(KERNELS[0].btf, "snd_wnd", "snd_xxx");
    let bytes = renamed(&bytes, "icsk_backoff", "icsk_forward");
    let error = resolve(&Btf::parse(&bytes).expect("well-formed")).expect_err("missing");
    assert_eq!(
        error.to_string(),
        "kernel fields cannot be used: struct tcp_sock.snd_wnd: no member snd_wnd; \
         struct tcp_sock.inet_conn.icsk_backoff: no member icsk_backoff"
    );
    assert!(!error.hint().is_empty());
}

#[test]
fn a_missing_struct_is_named() {
    let bytes = renamed(KERNELS[0].btf, "sk_buff", "sk_xxxx");
    let error = resolve(&Btf::parse(&bytes).expect("well-formed")).expect_err("missing");
    assert!(
        error
            .to_string()
            .contains("struct sk_buff.data: no such struct"),
        "{error}"
    );
}

#[test]
fn missing_optional_fields_are_absent() {
    let bytes = renamed(KERNELS[3].btf, "skc_v6_daddr", "skc_v6_xxxxx");
    let bytes = renamed(&bytes, "socket_alloc", "socket_xxxxx");
    let found = survey(&Btf::parse(&bytes).expect("well-formed"));
    let layout = found.layout.expect("required fields are there");
    assert_eq!(layout.skc_v6_daddr, ABSENT);
    assert_eq!(layout.socket_inode_number, ABSENT);
    assert_ne!(layout.skc_v6_rcv_saddr, ABSENT);
    let missing: Vec<&str> = found
        .fields
        .iter()
        .filter(|field| field.outcome.is_err() && field.need != Need::Variant)
        .map(|field| field.path)
        .collect();
    assert_eq!(missing, ["socket", "skc_v6_daddr", "vfs_inode.i_ino"]);
}

#[test]
fn a_missing_tracepoint_is_named() {
    let bytes = renamed(
        KERNELS[3].btf,
        "btf_trace_tcp_retransmit_skb",
        "btf_trace_tcp_retransmit_xxx",
    );
    let error = resolve(&Btf::parse(&bytes).expect("well-formed")).expect_err("missing");
    assert_eq!(
        error,
        LayoutError::NoTracepoint {
            name: "tcp_retransmit_skb"
        }
    );
}

#[test]
fn every_slot_of_the_layout_is_filled() {
    for kernel in KERNELS {
        let found = survey(&Btf::parse(kernel.btf).expect(kernel.name));
        let layout = found.layout.expect(kernel.name);
        let mut expected: usize = 0;
        for field in &found.fields {
            // Only the variants may be missing.
            assert!(
                field.outcome.is_ok() || field.need == Need::Variant,
                "{field}"
            );
            expected += usize::from(field.outcome.is_ok());
        }
        // Two bit fields in words of their own; anchors have no slot.
        let bits = found
            .fields
            .iter()
            .filter(|f| matches!(f.outcome, Ok(FieldPlace::Bits(_))));
        expected += bits.count();
        expected -= ANCHORS;
        let words: &[u64] = bytemuck::cast_slice(std::slice::from_ref(&layout));
        let filled = words
            .iter()
            .filter(|&&word| word != ABSENT && word != 0)
            .count();
        // 0 is the place of `skc_daddr` and of `tcp_skb_cb.seq`.
        let at_zero = 2;
        let of_tracepoint =
            usize::try_from(layout.retransmit_has_err + layout.victim_is_task).expect("0, 1 or 2");
        assert_eq!(
            filled,
            expected - at_zero + of_tracepoint,
            "kernel {}",
            kernel.name
        );
    }
}

/// Rows that are checked and not read.
const ANCHORS: usize = 3;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn damaged_btf_is_survived(
        kernel in 0..KERNELS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = KERNELS[kernel].btf.to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        if let Ok(btf) = Btf::parse(&bytes) {
            drop(survey(&btf));
        }
    }
}
