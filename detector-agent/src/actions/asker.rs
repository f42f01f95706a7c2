//! Who asks for an action.

use crate::capability::{self, Capability};
use std::fmt;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A user, at the control socket.
    User(u32),
    /// The guard.
    Guard,
}

impl Asker {
    /// The user; of the guard, that of the agent.
    pub(crate) fn uid(self) -> u32 {
        match self {
            Self::User(uid) => uid,
            Self::Guard => rustix::process::geteuid().as_raw(),
        }
    }

    /// Whether a dry run says what it knows without asking the kernel, which would not act for this agent:
    /// the guard's does, so that it can be tried before anything is allowed. An operator is told what
    /// is missing.
    pub(super) fn may_foresee(self) -> bool {
        self == Self::Guard && !capability::has(Capability::NetAdmin)
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(out, "asked by uid {uid}"),
            Self::Guard => out.write_str("by the guard"),
        }
    }
}
