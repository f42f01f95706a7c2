//! What a case is.

use crate::stage::Stage;
use anyhow::Result;

/// What a case does, until the curtain falls.
pub type Play = fn(&Stage) -> Result<()>;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Among the labelled scenarios.
    pub name: &'static str,
    /// Name in the selftest, if the case is of it: needs a kernel and no program.
    pub selftest: Option<&'static str>,
    /// What is played, one line.
    pub plot: &'static str,
    /// What is due.
    pub label: Label,
    /// Where it is played.
    pub place: Place,
    /// How many networks of its own it needs.
    pub networks: u8,
    /// When it is played.
    pub when: When,
    /// Whether nothing is lost on its wire, so that what is sent again does not count as loss.
    pub is_lossless: bool,
    /// Why this kernel cannot play it, if so.
    pub obstacle: fn() -> Option<&'static str>,
    /// The play itself.
    pub play: Play,
}

/// What an agent has to say of a case.
#[derive(Clone, Copy, Debug)]
pub enum Label {
    /// A bad or broken peer.
    Bad {
        /// Each of these; the first tells the case from others.
        flags: &'static [Flag],
        /// One of these in the end.
        verdicts: &'static [&'static str],
        /// Whoever looks like it and is honest.
        twin: Twin,
    },
    /// An honest peer: no flag and no verdict of warning or above, and no accusation.
    Honest {
        /// Kinds of flags that may be raised as a note.
        notes: &'static [&'static str],
    },
}

/// A case that must stay quiet where another must not.
#[derive(Clone, Copy, Debug)]
pub enum Twin {
    /// This one.
    Case(&'static str),
    /// None, for this reason.
    None(&'static str),
}

/// A flag that must be raised.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Its label.
    pub kind: &'static str,
    /// Who can see it first.
    pub seen_by: SeenBy,
    /// A count in its evidence that must be above zero.
    pub counts: Option<&'static str>,
    /// Words that its event must carry, by the names of their fields.
    pub words: &'static [(&'static str, &'static str)],
}

impl Flag {
    /// Whether it is this flag that was raised, of this kind, with this evidence and these words.
    #[must_use]
    pub fn is_met_by<'a>(
        &self,
        kind: &str,
        evidence: impl Fn(&str) -> Option<f64>,
        word: impl Fn(&str) -> Option<&'a str>,
    ) -> bool {
        let has_count = |name| evidence(name).is_some_and(|number| number >= 1.0);
        let mut words = self.words.iter();
        kind == self.kind
            && self.counts.is_none_or(has_count)
            && words.all(|(field, wanted)| word(field) == Some(wanted))
    }
}

/// Whether an honest peer is accused by what is said of it.
#[must_use]
pub fn is_alarm(severity: &str, verdict: Option<&str>) -> bool {
    let accusations = ["slow-read-attack", "zero-window-attack", "tarpit"];
    severity != "info" || verdict.is_some_and(|verdict| accusations.contains(&verdict))
}

/// The first source that can see a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenBy {
    /// A hook.
    Hook,
    /// Only a sweep.
    Sweep,
}

/// Where a case is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Crafted peers behind the TUN device.
    Tun,
    /// Kernel clients on the usual wire.
    Link,
    /// Kernel clients with `tcp_shrink_window=1`.
    ShrinkingClient,
    /// Kernel clients of a server in a second namespace.
    SecondServer,
    /// Kernel clients whose MPTCP connections have a subflow from each of two networks.
    Multipath,
    /// Kernel clients behind a slow wire.
    Shaped,
    /// Kernel clients with small receive buffers, for crowds: thousands of sockets with the usual
    /// ones would put the whole host's TCP under memory pressure, and honest peers with it.
    SmallBuffers,
}

/// When a case is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Before the agent is started.
    BeforeAgent,
    /// Alone, because it takes all of the machine.
    Alone,
    /// Beside the others and before them, because it takes longest.
    First,
    /// Beside the others.
    Beside,
    /// Where there is one namespace, when no honest peer is on stage any more: it changes a setting
    /// of it.
    Last,
}

const fn no_obstacle() -> Option<&'static str> {
    None
}

const fn case(name: &'static str, plot: &'static str, label: Label, play: Play) -> Case {
    Case {
        name,
        selftest: None,
        plot,
        label,
        place: Place::Tun,
        networks: 1,
        when: When::Beside,
        is_lossless: false,
        obstacle: no_obstacle,
        play,
    }
}

/// A bad or broken peer.
pub(crate) const fn bad(
    name: &'static str,
    plot: &'static str,
    (flags, verdicts): (&'static [Flag], &'static [&'static str]),
    twin: Twin,
    play: Play,
) -> Case {
    let label = Label::Bad {
        flags,
        verdicts,
        twin,
    };
    case(name, plot, label, play)
}

/// An honest peer.
pub(crate) const fn honest(name: &'static str, plot: &'static str, play: Play) -> Case {
    case(name, plot, Label::Honest { notes: &[] }, play)
}

impl Case {
    /// Whether its peers are honest.
    #[must_use]
    pub const fn is_honest(&self) -> bool {
        matches!(self.label, Label::Honest { .. })
    }

    /// Its name in the selftest.
    #[must_use]
    pub fn selftest_name(&self) -> &'static str {
        self.selftest.unwrap_or(self.name)
    }

    /// The flags that are due; none of an honest peer.
    #[must_use]
    pub const fn flags(&self) -> &'static [Flag] {
        match self.label {
            Label::Bad { flags, .. } => flags,
            Label::Honest { .. } => &[],
        }
    }

    /// Kinds of flags that may be raised as a note; none of a bad peer.
    #[must_use]
    pub const fn notes(&self) -> &'static [&'static str] {
        match self.label {
            Label::Bad { .. } => &[],
            Label::Honest { notes } => notes,
        }
    }

    pub(crate) const fn on(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub(crate) const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    pub(crate) const fn unless(mut self, obstacle: fn() -> Option<&'static str>) -> Self {
        self.obstacle = obstacle;
        self
    }

    pub(crate) const fn networks(mut self, networks: u8) -> Self {
        self.networks = networks;
        self
    }

    pub(crate) const fn lossless(mut self) -> Self {
        self.is_lossless = true;
        self
    }

    pub(crate) const fn noting(mut self, notes: &'static [&'static str]) -> Self {
        self.label = Label::Honest { notes };
        self
    }

    /// Of the selftest as well.
    pub(crate) const fn selftest(self) -> Self {
        self.selftest_as(self.name)
    }

    /// The same under another name.
    pub(crate) const fn selftest_as(mut self, name: &'static str) -> Self {
        self.selftest = Some(name);
        self
    }
}
