//! The cases: what is played, and what an agent must say of it.

use super::plays::{Act, bad, good};
use super::stage::Spot;
use anyhow::Result;
use detector_api::snapshot::{Event, EventType, FlagKind};

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// Name on the command line and in the output.
    pub(crate) name: &'static str,
    /// What the peer does.
    pub(crate) what: &'static str,
    pub(crate) expectation: Expectation,
    pub(super) when: When,
    /// Whether its peers are sockets of the kernel, with an address of the namespace's own.
    pub(super) has_real_sockets: bool,
    pub(super) play: fn(&Spot<'_>) -> Result<Act>,
}

/// What the agent must say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expectation {
    /// It flags the peer.
    Seen(Wanted),
    /// It warns of nothing, and raises no flags but notes of these kinds.
    Quiet {
        /// Kinds of flags that may stand as `info`.
        tolerated: Tolerated,
    },
}

/// Kinds of flags that honest behaviour may raise as a note.
pub(crate) type Tolerated = &'static [FlagKind];

/// The flag that is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(super) kind: FlagKind,
    /// A count in the flag's evidence that must be there.
    counts: Option<&'static str>,
}

impl Wanted {
    pub(super) fn is_met_by(&self, event: &Event) -> bool {
        let has_count = |name| {
            event
                .evidence
                .get(name)
                .is_some_and(|&number| number >= 1.0)
        };
        event.event == EventType::Flag
            && event.kind == self.kind
            && self.counts.is_none_or(has_count)
    }
}

/// When a case is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// Before the agent is started.
    BeforeAgent,
    /// Beside the others and before them, because it takes longest.
    First,
    /// Beside the others.
    Any,
    /// When no honest peer is on stage any more: it changes a setting of the namespace.
    Last,
}

impl Case {
    /// Its place among all.
    pub(super) fn number(&self) -> usize {
        let mut cases = CASES.iter();
        cases
            .position(|case| case.name == self.name)
            .unwrap_or_default()
    }

    /// Whether its peers are honest.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.expectation, Expectation::Quiet { .. })
    }
}

const fn bad(
    name: &'static str,
    kind: FlagKind,
    what: &'static str,
    play: fn(&Spot<'_>) -> Result<Act>,
) -> Case {
    Case {
        name,
        what,
        expectation: Expectation::Seen(Wanted { kind, counts: None }),
        when: When::Any,
        has_real_sockets: false,
        play,
    }
}

const fn shrink(
    name: &'static str,
    counts: &'static str,
    what: &'static str,
    play: fn(&Spot<'_>) -> Result<Act>,
) -> Case {
    Case {
        name,
        what,
        expectation: Expectation::Seen(Wanted {
            kind: FlagKind::WindowShrink,
            counts: Some(counts),
        }),
        when: When::Any,
        has_real_sockets: false,
        play,
    }
}

const fn good(
    name: &'static str,
    tolerated: Tolerated,
    what: &'static str,
    play: fn(&Spot<'_>) -> Result<Act>,
) -> Case {
    Case {
        name,
        what,
        expectation: Expectation::Quiet { tolerated },
        when: When::Any,
        has_real_sockets: false,
        play,
    }
}

impl Case {
    const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    const fn with_real_sockets(mut self) -> Self {
        self.has_real_sockets = true;
        self
    }
}

/// All cases: the bad ones, then the good ones.
pub(crate) static CASES: [Case; 19] = [
    bad(
        "zero-window",
        FlagKind::ZeroWindowStall,
        "stops reading; its window closes",
        bad::zero_window,
    ),
    shrink(
        "treason",
        "shrinks_treason",
        "takes its whole window back under data in flight",
        bad::treason,
    ),
    shrink(
        "below-flight",
        "shrinks_below_flight",
        "takes back window below data in flight",
        bad::below_flight,
    ),
    shrink(
        "salami",
        "shrinks_polite",
        "takes back a little at a time, with window scale 14",
        bad::salami,
    ),
    bad(
        "half-closed",
        FlagKind::ZeroWindowStall,
        "sends FIN, then stops reading (CLOSE_WAIT)",
        bad::half_closed,
    ),
    bad(
        "orphan",
        FlagKind::ZeroWindowStall,
        "stops reading what a closed socket left (FIN_WAIT1)",
        bad::orphan,
    ),
    bad(
        "before-agent",
        FlagKind::ZeroWindowStall,
        "had stopped reading before the agent; counts from its first sweep",
        bad::zero_window,
    )
    .when(When::BeforeAgent),
    bad(
        "teasing",
        FlagKind::ZeroWindowStall,
        "opens its window a crack and closes it, again and again",
        bad::teasing,
    ),
    bad(
        "small-window",
        FlagKind::SmallWindowStall,
        "takes back window until no segment fits, under data in flight",
        bad::small_window,
    ),
    bad(
        "dribble",
        FlagKind::Dribble,
        "reads 128 bytes a second",
        bad::dribble,
    )
    .when(When::First),
    bad(
        "unanswered",
        FlagKind::Unanswered,
        "vanishes with data in flight",
        bad::unanswered,
    ),
    bad(
        "tiny-window",
        FlagKind::TinyWindow,
        "never offers more than 512 bytes",
        bad::tiny_window,
    ),
    bad(
        "hoard",
        FlagKind::StallHoard,
        "stalls more connections than one peer should",
        bad::hoard,
    ),
    good(
        "slow-reader",
        &[FlagKind::ZeroWindowStall],
        "reads 200 kB/s, steadily",
        good::slow_reader,
    )
    .with_real_sockets(),
    good(
        "granularity",
        &[],
        "rounds its window down, as scaling makes it (RFC 7323, appendix F)",
        good::granularity,
    ),
    good(
        "reopening",
        &[],
        "closes its window and opens it within a second, again and again",
        good::reopening,
    ),
    good(
        "half-closed-reader",
        &[],
        "sends FIN with its request, and reads everything",
        good::half_closed_reader,
    ),
    good(
        "keep-alive",
        &[],
        "has read everything and stays connected, idle",
        good::keep_alive,
    ),
    good(
        "shrinking-kernel",
        &[FlagKind::WindowShrink],
        "a kernel with tcp_shrink_window=1 that downloads",
        good::shrinking_kernel,
    )
    .with_real_sockets()
    .when(When::Last),
];

#[cfg(test)]
mod tests {
    use super::{CASES, Case, Expectation, Wanted};
    use detector_api::fixtures::event;
    use detector_api::snapshot::{EventType, FlagKind};
    use std::collections::HashSet;

    #[test]
    fn names_tell_cases_apart() {
        let names: HashSet<_> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
        assert!(
            CASES
                .iter()
                .enumerate()
                .all(|(place, case)| case.number() == place)
        );
    }

    #[test]
    fn each_kind_of_flag_has_its_case_and_good_twins_exist() {
        for kind in FlagKind::ALL {
            let is_wanted = |case: &Case| matches!(case.expectation, Expectation::Seen(wanted) if wanted.kind == kind);
            assert!(CASES.iter().any(is_wanted), "{kind:?}");
        }
        assert!(CASES.iter().filter(|case| case.is_quiet()).count() >= 5);
    }

    #[test]
    fn a_flag_of_another_kind_or_without_the_count_is_not_what_was_wanted() {
        let wanted = Wanted {
            kind: FlagKind::WindowShrink,
            counts: Some("shrinks_treason"),
        };
        let mut flag = event(1, FlagKind::WindowShrink, &[("shrinks_treason", 1.0)]);
        flag.event = EventType::Flag;
        assert!(wanted.is_met_by(&flag));
        flag.evidence.insert("shrinks_treason".to_owned(), 0.0);
        assert!(!wanted.is_met_by(&flag));
        let other = event(1, FlagKind::Dribble, &[("shrinks_treason", 1.0)]);
        assert!(!wanted.is_met_by(&other));
    }
}
