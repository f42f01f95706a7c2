//! The file in which the kernel describes its own types.

use super::requirement::Requirement;
use std::fs::File;
use std::io;

/// Where it is.
pub(super) const BTF_FILE: &str = "/sys/kernel/btf/vmlinux";

/// Whether the kernel describes its types; not what it says.
pub(super) fn presence() -> Requirement {
    match File::open(BTF_FILE) {
        Ok(_) => Requirement::ok("btf", BTF_FILE),
        Err(error) => unreadable(&error),
    }
}

/// That it is not there, or may not be read.
pub(super) fn unreadable(error: &io::Error) -> Requirement {
    Requirement::missing(
        "btf",
        format!("{BTF_FILE}: {error}"),
        "run a kernel built with CONFIG_DEBUG_INFO_BTF=y (every distribution's kernel since 2021 \
         is), on the host itself and not in an unprivileged container",
    )
}
