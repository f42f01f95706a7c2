//! What this host must have for the agent to run.

use serde::Serialize;

/// How a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Met.
    Ok,
    /// Not met, and the agent works with less.
    Degraded,
    /// Not met, and the agent cannot start.
    Missing,
}

/// One requirement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Requirement {
    /// Short name.
    pub(crate) name: String,
    /// How it stands.
    pub(crate) state: State,
    /// What was found.
    pub(crate) detail: String,
    /// What to do, unless it is met.
    pub(crate) hint: Option<String>,
}

/// All requirements, in the order in which they are needed.
pub(crate) fn requirements() -> Vec<Requirement> {
    Vec::new()
}
