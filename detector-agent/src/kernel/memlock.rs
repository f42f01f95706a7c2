//! The limit of locked memory. Before Linux 5.11 what maps take counts against it, and a kernel that finds
//! it too low refuses them with a bare EPERM.

use super::btf_file::BTF_FILE;
use super::requirement::Requirement;
use crate::capability::{self, Capability};
use detector_core::observe::btf::Btf;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

/// What the maps take with the defaults (`docs/scaling.md`).
const NEEDED_BYTES: u64 = 32 << 20;
/// Kernels have it that charge maps to the limit; from 5.11 on they charge the control group.
const CHARGED_BY: &str = "bpf_map_memory";
const HINT: &str = "this kernel counts maps as locked memory: give the container CAP_SYS_RESOURCE or \
                    --ulimit memlock=-1, a service LimitMEMLOCK=infinity";

/// As far as it may go. Where that is not enough creating the maps tells whether it was needed.
pub(super) fn raise() {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    let Err(error) = setrlimit(Resource::Memlock, unlimited) else {
        return;
    };
    tracing::debug!("RLIMIT_MEMLOCK is not lifted: {error}");
    let allowed = getrlimit(Resource::Memlock).maximum;
    let most = Rlimit {
        current: allowed,
        maximum: allowed,
    };
    if let Err(error) = setrlimit(Resource::Memlock, most) {
        tracing::debug!("RLIMIT_MEMLOCK is not raised: {error}");
    }
}

/// Whether it stands in the way of the maps.
pub(super) fn requirement(types: &Btf<'_>) -> Requirement {
    let may_lift = capability::has(Capability::SysResource);
    let allowed = getrlimit(Resource::Memlock).maximum;
    judge(is_charged(types), allowed.filter(|_| !may_lift))
}

/// What to do where maps were refused, if it is this.
pub(super) fn hint() -> Option<String> {
    let bytes = fs::read(BTF_FILE).ok()?;
    let types = Btf::parse(&bytes).ok()?;
    requirement(&types).hint
}

fn is_charged(types: &Btf<'_>) -> bool {
    types.structs_named(CHARGED_BY).next().is_some()
}

/// `allowed`: the most it can be raised to; `None` is without end.
fn judge(is_charged: bool, allowed: Option<u64>) -> Requirement {
    let name = "locked memory";
    match allowed {
        _ if !is_charged => Requirement::ok(name, "maps do not count against its limit"),
        Some(bytes) if bytes < NEEDED_BYTES => Requirement::degraded(
            name,
            format!("at most {} KiB, and the maps need some 31 MiB", bytes >> 10),
            HINT,
        ),
        _ => Requirement::ok(name, "its limit leaves room for the maps"),
    }
}

#[cfg(test)]
mod tests {
    use super::{CHARGED_BY, is_charged, judge};
    use crate::kernel::requirement::State;
    use detector_core::observe::btf::write::BtfWriter;
    use detector_core::observe::btf::{Btf, Kind};

    #[test]
    fn only_a_kernel_that_charges_maps_to_it_wants_it_raised() {
        let docker = Some(64 << 10);
        let judged = judge(true, docker);
        assert_eq!(judged.state, State::Degraded);
        assert!(judged.detail.contains("at most 64 KiB"), "{judged:?}");
        assert!(
            judged
                .hint
                .is_some_and(|hint| hint.contains("CAP_SYS_RESOURCE"))
        );
        for (is_charged, allowed) in [(false, docker), (true, None), (true, Some(64 << 20))] {
            let judged = judge(is_charged, allowed);
            assert_eq!((judged.state, judged.hint), (State::Ok, None));
        }
    }

    #[test]
    fn the_kernel_says_by_its_types_whether_it_does() {
        let mut old = BtfWriter::new();
        old.structure(Kind::Struct, CHARGED_BY, 16, &[]);
        assert!(is_charged(&Btf::parse(&old.finish()).unwrap()));
        let new = BtfWriter::new().finish();
        assert!(!is_charged(&Btf::parse(&new).unwrap()));
    }
}
