//! What the kernel reports about the loaded programs: their cost, and runs it left out.

use crate::host::folder;
use crate::kernel::status::ProgramStatus;
use aya::Ebpf;
use std::os::fd::{AsFd as _, AsRawFd as _};

/// Cost of each program, as the kernel accounts it.
pub(super) fn statuses(ebpf: &Ebpf) -> Vec<ProgramStatus> {
    ebpf.programs()
        .filter_map(|(name, program)| {
            let info = program.info().ok()?;
            Some(ProgramStatus {
                name: name.to_owned(),
                runs: info.run_count(),
                seconds: info.run_time().as_secs_f64(),
            })
        })
        .collect()
}

/// Runs the kernel left out because the program was running on that CPU already (from 5.12 on).
pub(super) fn recursion_misses(ebpf: &Ebpf) -> u64 {
    ebpf.programs()
        .filter_map(|(_, program)| {
            let fd = program.fd().ok()?.as_fd().as_raw_fd();
            let details = folder::text(format!("/proc/self/fdinfo/{fd}"))?;
            parse_recursion_misses(&details)
        })
        .sum()
}

fn parse_recursion_misses(details: &str) -> Option<u64> {
    let line = details
        .lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursion_misses_are_read_where_the_kernel_tells_them() {
        let details = "pos:\t0\nrun_cnt:\t7\nrecursion_misses:\t3\n";
        assert_eq!(parse_recursion_misses(details), Some(3));
        assert_eq!(parse_recursion_misses("pos:\t0\n"), None);
    }
}
