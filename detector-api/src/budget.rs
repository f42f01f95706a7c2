//! What the agent may use of the host, and what it does to keep to it.

use crate::labelled::labelled;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the agent uses of the processors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// What it may use, as a share of one core: `[budget] cpu_share`.
    pub cpu_share: f64,
    /// What it used over the last ten seconds, answering requests aside; `null` before that.
    pub used_cpu_share: Option<f64>,
    /// What it has given up to use less. Counts, flags and verdicts of what the hooks see are as ever.
    pub given_up: Vec<Saving>,
}

labelled! {
    /// What the agent gives up where it would use more than its share, in this order.
    Saving {
        /// Windows of suspects are not written to the flight recorder.
        Timelines = "timelines",
        /// Processes behind newly stalled connections are not looked up.
        Owners = "owners",
        /// Sweeps keep to the share for quiet times: what the hooks cannot see is found up to ten seconds
        /// late.
        Sweeps = "sweeps",
    }
}
