//! What a labelled scenario is.

use super::stage::Stage;
use anyhow::Result;

/// Flags and verdicts that would be an accusation of an honest peer, whatever their severity.
pub(crate) const ACCUSATIONS: [&str; 3] = ["slow-read-attack", "zero-window-attack", "tarpit"];

/// One row of the table.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What is played, one line.
    pub(crate) plot: &'static str,
    pub(crate) label: Label,
    pub(crate) place: Place,
    /// How many networks of its own it needs.
    pub(crate) networks: u8,
    pub(crate) act: Act,
    pub(crate) play: fn(&Stage) -> Result<()>,
}

/// What the agent has to say of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Label {
    /// A bad or broken peer: each of these flags, and one of these verdicts in the end.
    Bad {
        flags: &'static [Expected],
        verdicts: &'static [&'static str],
    },
    /// No flag and no verdict of warning or above, and no accusation.
    Honest,
}

/// A flag that must be raised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) kind: &'static str,
    pub(crate) seen_by: SeenBy,
}

/// The first source that can see a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenBy {
    Hook,
    Sweep,
}

/// Where a scenario is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Crafted peers behind the TUN device.
    Tun,
    /// Kernel clients on the usual wire.
    Link,
    /// Kernel clients of a server in a second namespace.
    SecondServer,
    /// Kernel clients with `tcp_shrink_window=1`.
    ShrinkingClient,
    /// Kernel clients behind a slow wire.
    Shaped,
    /// Kernel clients with small receive buffers, for crowds: thousands of sockets with the usual
    /// ones would put the whole host's TCP under memory pressure, and honest peers with it.
    SmallBuffers,
}

/// When it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Before the others, because it takes all of the machine.
    Load,
    /// With all others, to the end.
    Main,
}
