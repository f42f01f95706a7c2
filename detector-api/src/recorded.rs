//! Words that stand in a recorder's columns.

use crate::labelled::labelled;

labelled! {
    /// What a note tells of.
    NoteKind {
        /// A peer is taken to be something else.
        Verdict = "verdict",
        /// Somebody, or the guard, acted.
        Action = "action",
        /// The configuration changed.
        Configuration = "configuration",
        /// A message of the kernel.
        Kernel = "kernel",
        /// The kernel killed a process for want of memory.
        OomKill = "oom-kill",
        /// The agent gave something up to cost less, or took it up again.
        Budget = "budget",
    }
}

labelled! {
    /// Why nothing was seen for a while.
    GapReason {
        /// No agent ran: it was stopped.
        Stopped = "stopped",
        /// No agent ran: it was killed or crashed.
        Killed = "killed",
        /// The host went down without the agent being stopped.
        HostDown = "host-down",
        /// The agent was kept from running: frozen, suspended or starved.
        Frozen = "frozen",
        /// There was no room to write.
        DiskFull = "disk-full",
        /// The file was damaged and was set aside with all that it held.
        Damaged = "damaged",
        /// Nothing could be written for another reason.
        WriteFailed = "write-failed",
        /// The wall clock was set: times before and after do not follow each other.
        ClockStep = "clock-step",
    }
}
