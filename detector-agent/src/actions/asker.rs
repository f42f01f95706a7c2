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

    /// Whether a dry run says which connections it knows of without asking the kernel, which would not act
    /// for this agent: the guard's does, so that it can be tried before anything is allowed. An operator is
    /// told what is missing.
    pub(super) fn foresees_resets(self) -> bool {
        self == Self::Guard && !capability::has(Capability::NetAdmin)
    }

    /// Whether a dry run makes no table either, to see whether the kernel would: that of the guard, which
    /// nobody asked for at that moment. `detector check` says what the kernel can.
    pub(super) fn foresees_blocks(self) -> bool {
        self == Self::Guard
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
