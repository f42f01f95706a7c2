//! Closed lists of words: causes of stalls, verdicts, severities; the kinds of flags have a table of
//! their own.

use crate::labelled::labelled;

labelled! {
    /// Why a connection with queued data is held up.
    StallCause {
        /// The peer's window is zero.
        ZeroWindow = "zero_window",
        /// The window is open but the head segment does not fit.
        SmallWindow = "small_window",
        /// The peer drains below the floor while its window is the limit.
        Dribble = "dribble",
        /// Retransmits or probes without any acknowledgement.
        Unanswered = "unanswered",
    }
}

labelled! {
    /// What a peer is taken to be.
    #[allow(missing_docs, reason = "each is explained in docs/detections")]
    Verdict {
        SlowReadAttack = "slow-read-attack",
        ZeroWindowAttack = "zero-window-attack",
        ShrinkingPeer = "shrinking-peer",
        Tarpit = "tarpit",
        PathLoss = "path-loss",
        Vanished = "vanished",
        SlowClient = "slow-client",
        Benign = "benign",
    }
}

labelled! {
    /// How sure a verdict is.
    Confidence {
        /// Fits, but so does something else.
        Low = "low",
        /// Fits, and benign causes are improbable.
        Medium = "medium",
        /// Fits, and every benign cause is ruled out.
        High = "high",
    }
}

labelled! {
    /// How much it matters, from its cost.
    #[derive(Default)]
    #[allow(missing_docs, reason = "ordered from least to most")]
    Severity {
        #[default]
        Info = "info",
        Warning = "warning",
        Critical = "critical",
    }
}

labelled! {
    /// Which part of the kernel side saw something.
    Source {
        /// A program on a tracepoint.
        Hook = "hook",
        /// A pass over all sockets.
        Sweep = "sweep",
        /// Both.
        Both = "both",
    }
}

impl Source {
    /// What two sources are together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }
}

labelled! {
    /// Who opened connections. Known from the kernel, never guessed from ports.
    #[derive(Default)]
    Direction {
        /// The peer.
        Inbound = "inbound",
        /// We.
        Outbound = "outbound",
        /// Not known (yet).
        #[default]
        Unknown = "unknown",
        /// Some the peer, some we.
        Both = "both",
    }
}

impl Direction {
    /// That of several connections: what is not known says nothing.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            (Self::Inbound, Self::Inbound) => Self::Inbound,
            (Self::Outbound, Self::Outbound) => Self::Outbound,
            _ => Self::Both,
        }
    }
}

labelled! {
    /// What an event tells.
    EventType {
        /// A flag was raised.
        Flag = "flag",
        /// A flag's condition ended.
        Cleared = "cleared",
        /// A zero-window episode ended.
        Episode = "episode",
        /// The guard has taken a step, or would have.
        Guard = "guard",
    }
}

labelled! {
    /// What a note of the agent among the events tells.
    #[derive(Default)]
    AgentNoteType {
        /// It gave something up to cost less, or took it up again.
        #[default]
        Budget = "budget",
    }
}

labelled! {
    /// What stands in an incident. `docs/incidents.md` names the flags that make it.
    IncidentKind {
        /// A peer, alone or with others, holds a hoard.
        Hoard = "hoard",
        /// Peers of warning or above do not take their data.
        StalledPeers = "stalled-peers",
        /// Peers of warning or above do not answer.
        SilentPeers = "silent-peers",
        /// Peers of warning or above took back window.
        ShrinkingPeers = "shrinking-peers",
        /// The kernel saves memory for TCP, and a tenth of it or more is held by stalled connections,
        /// by data that our own programs do not read, by orphans or by sockets that no list shows.
        MemoryPressure = "memory-pressure",
        /// The kernel has as many TCP sockets that no process holds any more as it allows
        /// (`net.ipv4.tcp_max_orphans`), or closes connections for want of room for them.
        OrphanLimit = "orphan-limit",
        /// The kernel killed a process for want of memory, whatever took that memory.
        OomKill = "oom-kill",
    }
}
