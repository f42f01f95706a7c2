//! One thing that the host must have, how it stands, and what to do about it.

use detector_api::failure::Code;
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
    /// How a start would fail if it is missing.
    #[serde(skip)]
    pub code: Code,
}

impl Requirement {
    pub(super) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state: State::Ok,
            detail: detail.into(),
            hint: None,
            code: Code::Unsupported,
        }
    }

    pub(super) fn degraded(name: impl Into<String>, detail: impl Into<String>, hint: &str) -> Self {
        Self {
            state: State::Degraded,
            hint: Some(hint.to_owned()),
            ..Self::ok(name, detail)
        }
    }

    pub(super) fn missing(name: impl Into<String>, detail: impl Into<String>, hint: &str) -> Self {
        Self {
            state: State::Missing,
            hint: Some(hint.to_owned()),
            ..Self::ok(name, detail)
        }
    }
}
