//! What one kernel message says, its wrapping taken off.

mod begun;
mod cursor;
mod host;
mod link;
mod oom;
pub(crate) mod strangers;
mod tcp;

use std::net::IpAddr;

pub use oom::{OomLine, Task, TaskMemory};

/// Which sentence the kernel wrote about a closed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowSentence {
    /// `peer … shrinks window …. Bad, what else can I say?`, 2.3 to 2.6: an acknowledgement whose window
    /// ends before what was sent; the window need not be zero.
    Retracted,
    /// `Treason uncloaked!`, Linux 2.4 and 2.6.
    Treason,
    /// `unexpectedly shrunk window`, to 6.6.
    Shrunk,
    /// `Probing zero-window`, from 6.7 on.
    Probing,
}

/// A line about a peer whose window is closed while we have data in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowLine {
    /// Which sentence.
    pub sentence: WindowSentence,
    /// The peer; mapped addresses folded.
    pub peer: IpAddr,
    /// Its port.
    pub remote_port: u16,
    /// Ours.
    pub local_port: u16,
    /// `snd_una`; `None` if the line is cut before.
    pub una: Option<u32>,
    /// Bytes in flight, `snd_nxt - snd_una`; `None` if the line is cut before.
    pub in_flight: Option<u32>,
    /// The window that was left, where the kernel says it.
    pub window: Option<u32>,
    /// Milliseconds since the peer was last heard of.
    pub heard_ms_ago: Option<u64>,
    /// Milliseconds that this has lasted.
    pub lasting_ms: Option<u64>,
}

/// What happened to a network interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkChange {
    /// Its link went down.
    Down,
    /// Its link came up.
    Up,
    /// The driver gave up on it: hang, reset, transmit timeout.
    Reset,
}

/// One kernel message that matters here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// A closed window.
    Window(WindowLine),
    /// A listener's queue is flooded or just full. The address is ours.
    SynFlood {
        /// The address that is listened on, where the kernel says it.
        address: Option<IpAddr>,
        /// The port.
        port: u16,
        /// Whether requests are dropped rather than answered with cookies.
        is_dropping: bool,
    },
    /// A request to connect was dropped: a listen queue was full.
    OpenRequestDropped(IpAddr),
    /// `TCP: out of memory`.
    TcpOutOfMemory,
    /// `Out of socket memory`: memory or orphans, the kernel does not say which.
    OutOfSocketMemory,
    /// `too many orphaned sockets`.
    TooManyOrphans,
    /// MPTCP closed a socket for want of memory.
    MptcpClosed,
    /// A part of the report of an OOM kill.
    Oom(OomLine),
    /// An allocation failed, for this task.
    AllocationFailure(String),
    /// A task hung.
    HungTask(String),
    /// An interface's link.
    Link(String, LinkChange),
    /// So many messages were not written.
    Suppressed(u64),
    /// The line before came so many times more; how it begins, where that is told.
    Repeated(u64, Option<String>),
    /// Another boot begins.
    Boot,
}

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A message, and the text after it.
    Message(Message, &'a str),
    /// The beginning of a message, with what is known of it so far.
    Cut(Option<Message>),
    /// The first words of a message, too few to be missed if nothing follows.
    Begun,
    /// It looks like a message, but no kernel can have written it.
    Impossible,
    /// It names no port of ours.
    NoLocalPort,
    /// Nothing of interest.
    Nothing,
}

/// Reads a message from the front of `text`.
#[must_use]
pub fn parse(text: &str) -> Parsed<'_> {
    let text = text.trim_start();
    if let Some(parsed) = tcp::window(text).or_else(|| tcp::other(text)) {
        return parsed;
    }
    let found = oom::line(text)
        .map(Message::Oom)
        .or_else(|| host::message(text))
        .or_else(|| link::change(text).filter(|_| strangers::begin(text).is_none()));
    match found {
        Some(message) => Parsed::Message(message, ""),
        None if oom::is_cut(text) => Parsed::Cut(None),
        None if begun::is_begun(text) && strangers::begin(text).is_none() => Parsed::Begun,
        None => Parsed::Nothing,
    }
}

impl Message {
    /// Whether more of it may stand on the next line, where the log was broken.
    pub(crate) const fn may_go_on(&self) -> bool {
        matches!(self, Self::Oom(OomLine::Killed { .. }))
    }

    /// Whether another program can have written it about a task, where nothing says that it is the kernel's.
    pub(crate) fn may_name_program(&self) -> bool {
        match self {
            Self::Oom(OomLine::Invoked(Some(task))) | Self::AllocationFailure(task) => {
                oom::has_colon(task)
            }
            _ => false,
        }
    }

    /// How many parts of it are told.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Self::Oom(OomLine::Killed {
                victim,
                is_cgroup,
                memory,
            }) => {
                let numbers = [
                    memory.total,
                    memory.anonymous,
                    memory.file,
                    memory.shared,
                    memory.uid.or(victim.uid),
                    memory.page_tables,
                ];
                numbers.iter().flatten().count()
                    + usize::from(is_cgroup.is_some())
                    + usize::from(memory.score_adjustment.is_some())
            }
            _ => 1,
        }
    }
}

/// `: 3 Time(s)`, as logwatch writes it after a text.
pub(crate) fn times_after(text: &str) -> u64 {
    let count = text.trim_start_matches([':', ' ']).strip_suffix(" Time(s)");
    count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(1)
}

/// Whether `text` has the words of a message wherever they stand, so that it is worth a count where
/// it turns out to be none.
pub(crate) fn resembles(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "shrinks window",
        "TCP: out of memory",
        "Out of socket memory",
        "oom-kill:constraint=",
        "Treason uncloaked",
        "unexpectedly shrunk window",
        "Probing zero-window",
        "Killed process",
        "invoked oom-killer",
        "SYN flooding on port",
        "too many orphaned sockets",
    ];
    WORDS.iter().any(|words| text.contains(words))
}

/// Whether a message of a kind that names nothing else first begins here.
pub(crate) fn begins(text: &str) -> bool {
    const BEGINNINGS: [&str; 19] = [
        "TCP: ",
        "TCP:Treason ",
        "TCP:Peer ",
        "TCP:Probing ",
        "Treason ",
        "Probing zero",
        "MPTCP: ",
        "Out of ",
        "oom-kill:",
        "oom_reaper:",
        "Memory cgroup ",
        "Killed process ",
        "Kill process ",
        "possible SYN",
        "Possible SYN",
        "NET: ",
        "VM: ",
        "memory: usage",
        "INFO: task ",
    ];
    BEGINNINGS
        .iter()
        .any(|beginning| text.starts_with(beginning))
}
