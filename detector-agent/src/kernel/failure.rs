//! Turns what the kernel refuses into a reason and a hint that an operator can act on.

use super::memlock;
use super::requirement::Requirement;
use crate::capability::{self, Capability};
use detector_api::failure::Code;
use std::error::Error;
use std::io;

/// Why the kernel side did not start.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct StartError {
    /// How the agent ends.
    pub(crate) code: Code,
    reason: String,
    /// What to do about it, where that is known.
    pub(crate) hint: Option<String>,
}

impl StartError {
    /// For what nobody can do anything about here.
    pub(super) fn failed(reason: String) -> Self {
        Self {
            code: Code::Failed,
            reason,
            hint: None,
        }
    }

    /// For a kernel that lacks something.
    pub(super) fn unsupported(reason: String, hint: Option<String>) -> Self {
        Self {
            code: Code::Unsupported,
            reason,
            hint,
        }
    }
}

/// What the kernel lacks, as the reason why a start fails.
impl From<Requirement> for StartError {
    fn from(missing: Requirement) -> Self {
        Self::unsupported(
            format!("{}: {}", missing.name, missing.detail),
            missing.hint,
        )
    }
}

/// A refusal while loading: a missing capability, or something else with its whole chain.
pub(super) fn refused_by_kernel(doing: &str, error: &(dyn Error + 'static)) -> StartError {
    let missing = missing_to_load();
    if is_permission_error(error) {
        if !missing.is_empty() {
            return privilege_error(&missing);
        }
        return StartError {
            hint: memlock::hint(),
            ..failed(doing, error)
        };
    }
    failed(doing, error)
}

/// Any other failure, with its whole chain.
pub(super) fn failed(doing: &str, error: &(dyn Error + 'static)) -> StartError {
    StartError::failed(format!("{doing}: {}", chain(error)))
}

/// What is missing to load and attach.
pub(super) fn missing_to_load() -> Vec<Capability> {
    if capability::has(Capability::SysAdmin) {
        return Vec::new();
    }
    [Capability::Bpf, Capability::Perfmon]
        .into_iter()
        .filter(|capability| !capability::has(*capability))
        .collect()
}

/// The error for missing capabilities; `missing` is not empty.
pub(super) fn privilege_error(missing: &[Capability]) -> StartError {
    let names: Vec<&str> = missing.iter().map(|capability| capability.name()).collect();
    StartError {
        code: Code::Privilege,
        reason: format!("missing {} to load eBPF programs", names.join(" and ")),
        hint: Some(
            "run as root (sudo detector run), or give the service CAP_BPF and CAP_PERFMON \
               (and CAP_SYS_ADMIN and CAP_SYS_PTRACE to sweep other network namespaces and name processes)"
            .to_owned(),
        ),
    }
}

/// Whether EPERM or EACCES is anywhere in the chain.
fn is_permission_error(error: &(dyn Error + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(cause) = current {
        let is_permission = cause
            .downcast_ref::<io::Error>()
            .is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied);
        if is_permission {
            return true;
        }
        current = cause.source();
    }
    false
}

/// An error and its causes in one line; a verifier log keeps its last lines only.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = last_lines(&error.to_string());
    let mut current = error.source();
    while let Some(cause) = current {
        let cause_text = last_lines(&cause.to_string());
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        current = cause.source();
    }
    text
}

fn last_lines(text: &str) -> String {
    const KEPT: usize = 6;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let skipped = lines.len().saturating_sub(KEPT);
    if skipped < 3 {
        return lines.join(" | ");
    }
    let first = lines.first().copied().unwrap_or_default();
    format!(
        "{first} | … {skipped} lines … | {}",
        lines.get(skipped..).unwrap_or_default().join(" | ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_verifier_log_keeps_its_end() {
        let log: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let kept = last_lines(&log);
        assert!(kept.starts_with("line 0 | …"));
        assert!(kept.ends_with("line 99"));
        assert!(kept.len() < 200);
    }

    #[test]
    fn a_permission_error_is_found_in_the_chain() {
        let error = anyhow::Error::from(io::Error::from_raw_os_error(1)).context("outer");
        assert!(is_permission_error(error.as_ref()));
    }
}
