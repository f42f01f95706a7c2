//! What the guard does.

use crate::labelled::labelled;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

labelled! {
    /// A step of the guard's, the cheapest first.
    GuardAct {
        /// Closes stalled connections.
        Reset = "reset",
        /// Lets few new connections through.
        Limit = "limit",
        /// Drops all that comes.
        Block = "block",
    }
}

/// One step of the guard's on one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuardStep {
    /// Which.
    pub act: GuardAct,
    /// Whether nothing was done: what follows would have been.
    pub dry_run: bool,
    /// The pressure under which it acts, in words.
    pub because: String,
    /// Connections that were reset.
    pub reset: u64,
    /// Kernel memory that this has freed.
    pub freed_bytes: u64,
    /// Until when the limit or the block stands.
    pub until: Option<String>,
    /// Connections that behave and that a limit or a block meets, as the kernel counted them.
    pub well_behaved: Option<u64>,
    /// Why it failed; `null` if it did not.
    pub failure: Option<String>,
}
