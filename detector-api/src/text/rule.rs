//! What a card says of a flag: the rule with its numbers put in, what the standard says, where in the
//! kernel it happens, and who saw it.

use super::figures::known;
use crate::snapshot::{
    Bearer, Connection, ConnectionNumbers, FlagEvidence, FlagKind, Peer, Source, Thresholds,
};
use crate::units::{bytes, seconds};

/// A sentence of a standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// `RFC 9293, 3.8.6.1`
    pub section: &'static str,
    /// Word for word.
    pub text: &'static str,
}

/// Everything that a card says of one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule with its numbers.
    pub numbers: String,
    /// What the standard says.
    pub quotes: &'static [Quote],
    /// Function, file and branch.
    pub kernel: &'static str,
}

/// What is known of a flag: what it was raised on, and what shows it now.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The newest event of the kind.
    pub event: Option<&'a FlagEvidence>,
    /// The connection that shows it best.
    pub connection: Option<&'a Connection>,
    /// The peer.
    pub peer: &'a Peer,
    /// Thresholds in force; `None` where neither the agent nor the recorder told them.
    pub thresholds: Option<Thresholds>,
}

impl Seen<'_> {
    /// What the connection shows now, or else showed then.
    pub(super) fn numbers(&self) -> Option<ConnectionNumbers> {
        let now = self.connection.map(ConnectionNumbers::of);
        now.or_else(|| self.event?.connection().copied())
    }

    pub(super) fn queued(&self) -> String {
        known(self.numbers(), |numbers| bytes(numbers.queued_bytes))
    }

    pub(super) fn window(&self) -> String {
        known(self.numbers(), |numbers| bytes(numbers.window_bytes))
    }

    /// A threshold in words; the name of its setting where it is not known.
    pub(super) fn threshold(
        &self,
        setting: &str,
        words: impl FnOnce(&Thresholds) -> String,
    ) -> String {
        let unknown = || format!("`{setting}` (not recorded)");
        self.thresholds.as_ref().map_or_else(unknown, words)
    }

    pub(super) fn no_progress(&self) -> String {
        let now = self.connection.map(|connection| connection.stalled_seconds);
        let stalled = now.or_else(|| self.event?.stalled_seconds());
        format!(
            "no byte acknowledged for {} >= {}",
            known(stalled, seconds),
            self.threshold("stall_after", |bounds| format!(
                "`stall_after` = {}",
                seconds(bounds.stall_after_seconds)
            )),
        )
    }
}

/// Who on our side saw it, and what that means for the numbers.
pub const fn source(kind: FlagKind, source: Source) -> (&'static str, &'static str) {
    if matches!(kind.facts().bearer, Bearer::Peer) {
        return (
            "the agent",
            "adds up all its connections, whoever saw them.",
        );
    }
    match source {
        Source::Hook => (
            "hook",
            "at the segments themselves, as they came. Segments that the kernel merged while a \
             process held the socket count as one.",
        ),
        Source::Sweep => (
            "sweep",
            "by passing over all sockets, as hooks are blind to connections that are half closed \
             or older than the agent. What happened between two passes is not known, so counts \
             are lower bounds.",
        ),
        Source::Both => (
            "hook and sweep",
            "hooks saw segments as they came; the sweep confirmed what is in force, and covers \
             states in which hooks are blind.",
        ),
    }
}
