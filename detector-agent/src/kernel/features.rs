//! What the programs need of the kernel's BPF, judged by what the kernel says it has and never by its
//! version: distributions put new features into old kernels.

use super::requirement::Requirement;
use detector_core::observe::btf::Btf;

/// Something that the kernel names among the values of an enumeration.
struct Feature {
    name: &'static str,
    enumeration: &'static str,
    /// Every kernel has it that describes the enumeration.
    first: &'static str,
    value: &'static str,
}

const FEATURES: [Feature; 8] = [
    attach("attaching to typed tracepoints", "BPF_TRACE_RAW_TP"),
    attach("iterators", "BPF_TRACE_ITER"),
    Feature {
        name: "ring buffers",
        enumeration: "bpf_map_type",
        first: "BPF_MAP_TYPE_UNSPEC",
        value: "BPF_MAP_TYPE_RINGBUF",
    },
    helper("helper bpf_probe_read_kernel", "BPF_FUNC_probe_read_kernel"),
    helper("helper bpf_seq_write", "BPF_FUNC_seq_write"),
    helper("helper bpf_ringbuf_output", "BPF_FUNC_ringbuf_output"),
    helper("helper bpf_ringbuf_reserve", "BPF_FUNC_ringbuf_reserve"),
    helper("helper bpf_skc_to_tcp_sock", "BPF_FUNC_skc_to_tcp_sock"),
];

const fn attach(name: &'static str, value: &'static str) -> Feature {
    Feature {
        name,
        enumeration: "bpf_attach_type",
        first: "BPF_CGROUP_INET_INGRESS",
        value,
    }
}

const fn helper(name: &'static str, value: &'static str) -> Feature {
    Feature {
        name,
        enumeration: "bpf_func_id",
        first: "BPF_FUNC_unspec",
        value,
    }
}

/// Each feature, and whether it is there.
pub(super) fn requirements(types: &Btf<'_>) -> impl Iterator<Item = Requirement> {
    FEATURES.iter().map(|feature| {
        let name = format!("BPF {}", feature.name);
        if types.has_enumerator(feature.enumeration, feature.value) {
            Requirement::ok(name, "present")
        } else if types.has_enumerator(feature.enumeration, feature.first) {
            Requirement::missing(
                name,
                format!("the kernel has no {}", feature.value),
                "run a kernel that has it, of its own or backported: Linux has all of them from \
                 5.10 on",
            )
        } else {
            // Loading will tell.
            Requirement::ok(
                name,
                format!("not described by enum {}", feature.enumeration),
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{FEATURES, requirements};
    use crate::kernel::requirement::{Requirement, State};
    use detector_core::observe::btf::Btf;
    use detector_core::observe::btf::write::BtfWriter;

    /// What is missing on a kernel that describes these enumerations alone.
    fn missing_of(enumerations: &[(&str, &[&str])]) -> Vec<Requirement> {
        let mut types = BtfWriter::new();
        for (name, values) in enumerations {
            types.enumeration(name, values);
        }
        let bytes = types.finish();
        let types = Btf::parse(&bytes).unwrap();
        requirements(&types)
            .filter(|requirement| requirement.state == State::Missing)
            .collect()
    }

    /// Names of what is missing on a kernel that has these helpers alone.
    fn missing(helpers: &[&str]) -> Vec<String> {
        let missing = missing_of(&[("bpf_func_id", helpers)]);
        missing.into_iter().map(|each| each.name).collect()
    }

    /// Names of what is missing on a 4.18 with these values backported.
    fn missing_of_4_18(backported: &[&str]) -> Vec<String> {
        let of_its_own = [
            ("bpf_attach_type", "BPF_CGROUP_INET_INGRESS"),
            ("bpf_map_type", "BPF_MAP_TYPE_UNSPEC"),
            ("bpf_func_id", "BPF_FUNC_unspec"),
        ];
        let values = of_its_own.map(|(enumeration, first)| {
            let of_it = FEATURES
                .iter()
                .filter(|each| each.enumeration == enumeration);
            let wanted = of_it.map(|each| each.value);
            let has = wanted.filter(|value| backported.contains(value));
            [first].into_iter().chain(has).collect::<Vec<_>>()
        });
        let described: Vec<(&str, &[&str])> = of_its_own
            .iter()
            .zip(&values)
            .map(|((enumeration, _), values)| (*enumeration, values.as_slice()))
            .collect();
        let missing = missing_of(&described);
        for each in &missing {
            let hint = each.hint.as_deref().unwrap();
            assert!(hint.contains("backported"), "{hint}");
        }
        missing.into_iter().map(|each| each.name).collect()
    }

    #[test]
    fn an_old_kernel_is_judged_by_what_was_backported() {
        let all = FEATURES.map(|feature| feature.value);
        assert!(missing_of_4_18(&all).is_empty());
        let names = FEATURES.map(|feature| format!("BPF {}", feature.name));
        assert_eq!(missing_of_4_18(&[]), names);
        let tracing = [
            "BPF_TRACE_RAW_TP",
            "BPF_TRACE_ITER",
            "BPF_FUNC_probe_read_kernel",
            "BPF_FUNC_seq_write",
        ];
        let without_rings = [
            "BPF ring buffers",
            "BPF helper bpf_ringbuf_output",
            "BPF helper bpf_ringbuf_reserve",
            "BPF helper bpf_skc_to_tcp_sock",
        ];
        assert_eq!(missing_of_4_18(&tracing), without_rings);
    }

    #[test]
    fn what_a_kernel_lacks_is_named() {
        let all: Vec<_> = FEATURES
            .iter()
            .filter(|feature| feature.enumeration == "bpf_func_id")
            .map(|feature| feature.value)
            .collect();
        let old = [&["BPF_FUNC_unspec"], &all[..all.len() - 1]].concat();
        assert_eq!(missing(&old), ["BPF helper bpf_skc_to_tcp_sock"]);
        assert!(missing(&[&["BPF_FUNC_unspec"], &all[..]].concat()).is_empty());
    }

    #[test]
    fn what_is_not_described_is_left_to_loading() {
        assert!(missing(&[]).is_empty());
    }
}
