//! One thing that the host must have, how it stands, and what to do about it.

use super::failure::{StartError, unsupported};
use serde::Serialize;

/// How a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Met.
    Ok,
    /// Not met, and the agent works with less.
    Degraded,
    /// Not met, and the agent cannot start.
    Missing,
}

/// One requirement.
#[derive(Clone, Debug, Serialize)]
pub struct Requirement {
    /// Short name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do, unless it is met.
    pub hint: Option<String>,
    /// Why a start would fail: exit code 3 (kernel) or 4 (privilege).
    #[serde(skip)]
    pub exit_code: u8,
}

impl Requirement {
    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: State::Ok,
            detail: detail.into(),
            hint: None,
            exit_code: 0,
        }
    }

    pub(super) fn degraded(name: impl Into<String>, detail: impl Into<String>, hint: &str) -> Self {
        Self {
            state: State::Degraded,
            hint: Some(hint.to_owned()),
            ..Self::ok(name, detail)
        }
    }

    pub(super) fn missing(
        name: impl Into<String>,
        detail: impl Into<String>,
        hint: &str,
        code: u8,
    ) -> Self {
        Self {
            state: State::Missing,
            hint: Some(hint.to_owned()),
            exit_code: code,
            ..Self::ok(name, detail)
        }
    }
}

/// What the kernel lacks, as the reason why a start fails.
impl From<Requirement> for StartError {
    fn from(missing: Requirement) -> Self {
        unsupported(
            format!("{}: {}", missing.name, missing.detail),
            missing.hint.unwrap_or_default(),
        )
    }
}
