//! Who asks for an action.

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
}

impl fmt::Display for Asker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(uid) => write!(out, "asked by uid {uid}"),
            Self::Guard => out.write_str("by the guard"),
        }
    }
}
