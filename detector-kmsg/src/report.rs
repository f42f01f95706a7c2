//! What a log says, as `detector dmesg --json` prints it.

use schemars::JsonSchema;
use serde::Serialize;

/// What one log says. Nothing in it is about the time in which it was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct LogReport {
    /// Lines read.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Time of the earliest message of interest; `null` if the log has none.
    pub first: Option<LogTime>,
    /// Time of the latest.
    pub last: Option<LogTime>,
    /// Whether the newest line stood first.
    pub runs_backwards: bool,
    /// Hosts of what was found, where the log names them; the first 256.
    pub hosts: Vec<String>,
    /// Where another boot begins, by a mark or a fall of the time since boot: such times before and after do not
    /// compare.
    pub boot_marks: u64,
    /// Messages that the kernel says it did not write. If there are any, all counts are lower bounds.
    pub suppressed: u64,
    /// Lines that the log says came again, without showing them.
    pub repeats: u64,
    /// Whether messages are known to be missing, and not how many.
    pub lines_are_lost: bool,
    /// Whether all counts are lower bounds, because messages were suppressed, put together or lost.
    pub counts_are_lower_bounds: bool,
    /// Lines about a window that was closed while we had data in flight.
    pub window_lines: u64,
    /// Stalls in them: the same connection with the same `snd_una` is one.
    pub stalls: u64,
    /// Peers of these lines, those with most stalls first.
    pub peers: Vec<Peer>,
    /// Lines about stalls that did not fit the table; their peers may be missing here.
    pub window_lines_not_listed: u64,
    /// OOM kills, in the order of time.
    pub kills: Vec<Kill>,
    /// Kills that did not fit the table.
    pub kills_not_listed: u64,
    /// Times that the OOM killer was called and the log shows no victim.
    pub invocations_without_victim: u64,
    /// Who was chosen in those, where the log says it; whether they were killed it does not say.
    pub chosen_without_kill: Vec<Chosen>,
    /// What the kernel said about the memory of TCP.
    pub tcp_memory: TcpMemory,
    /// Listeners with a flood of requests, or just a full queue. The addresses are ours.
    pub syn_floods: Vec<SynFlood>,
    /// Requests to connect that were dropped.
    pub open_requests_dropped: CutRequests,
    /// Failed allocations, by task.
    pub allocation_failures: Vec<Count>,
    /// Hung tasks, by name.
    pub hung_tasks: Vec<Count>,
    /// Network interfaces whose link changed.
    pub links: Vec<LinkChanges>,
    /// What looks like evidence and was left out.
    pub left_out: LeftOut,
}

/// A time, as far as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LogTime {
    /// RFC 3339 for `utc`, seconds for `boot`, else as the log has it.
    pub text: String,
    /// By which clock.
    pub clock: Clock,
}

/// Which clock a time is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// UTC.
    Utc,
    /// The host's own, its zone or the year not told.
    Local,
    /// Seconds since boot.
    Boot,
}

/// Who opened a connection, as far as its ports say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The peer: it is a client of ours.
    Inbound,
    /// We: we are its client.
    Outbound,
    /// The ports do not tell.
    Unknown,
}

/// A peer whose window was closed while we had data in flight.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Peer {
    /// Its address; IPv4-mapped ones folded.
    pub peer: String,
    /// The network by which the agent keys it: the /64 of an IPv6 address.
    pub network: String,
    /// Lines about it.
    pub lines: u64,
    /// The earliest.
    pub first: Option<LogTime>,
    /// The latest.
    pub last: Option<LogTime>,
    /// Its stalls, in the order of time.
    pub stalls: Vec<Stall>,
}

/// One connection that took nothing from one byte on.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Stall {
    /// The peer's port.
    pub remote_port: u16,
    /// Ours.
    pub local_port: u16,
    /// Who opened the connection, by the ports.
    pub direction: Direction,
    /// The host that wrote it, if the log says it.
    pub host: Option<String>,
    /// First byte that was not acknowledged, `X` of `X:Y`; `null` if the line is cut.
    pub snd_una: Option<u32>,
    /// Byte after the last one sent, `Y`.
    pub snd_nxt: Option<u32>,
    /// Bytes in flight, `Y - X` modulo 2^32.
    pub in_flight_bytes: Option<u32>,
    /// The smallest window that was left, where the kernel says it (2.3 to 2.6, `shrinks window X:W:Y`): it
    /// need not be zero.
    pub window_bytes: Option<u32>,
    /// Lines: the first, and one for each time it was probed again, as far as written.
    pub lines: u64,
    /// The earliest.
    pub first: Option<LogTime>,
    /// The latest.
    pub last: Option<LogTime>,
    /// Seconds that the kernel says it lasted, at the last line (from 6.7 on).
    pub lasted_seconds: Option<f64>,
    /// Seconds since the peer was last heard of, at the same line.
    pub silent_seconds: Option<f64>,
}

/// Which limit an OOM kill was about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The host ran out of memory.
    Host,
    /// A cgroup hit its limit.
    Cgroup,
    /// The line does not say.
    #[default]
    Unknown,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Victim {
    /// Its id; `null` where the kernel wrote none.
    pub pid: Option<u64>,
    /// Its name, at most 15 bytes.
    pub name: String,
}

/// A process that was to be killed. What the log does not say is `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Chosen {
    /// Its id.
    pub pid: Option<u64>,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// The host's memory or a cgroup's limit.
    pub scope: Scope,
    /// Its cgroup.
    pub cgroup: Option<String>,
    /// The cgroup whose limit was hit.
    pub limited_cgroup: Option<String>,
    /// What that cgroup had in use, bytes.
    pub usage_bytes: Option<u64>,
    /// Its limit, bytes.
    pub limit_bytes: Option<u64>,
}

/// What a process held, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Memory {
    /// Address space, most of which may never have been used.
    pub total_vm_bytes: Option<u64>,
    /// Anonymous memory: heap and stacks.
    pub anonymous_bytes: Option<u64>,
    /// Mapped files.
    pub file_bytes: Option<u64>,
    /// Shared memory.
    pub shared_bytes: Option<u64>,
}

/// One OOM kill. What the log does not say is `null`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Kill {
    /// When.
    pub time: Option<LogTime>,
    /// The host that wrote it, if the log says it.
    pub host: Option<String>,
    /// The host's memory or a cgroup's limit.
    pub scope: Scope,
    /// Who was killed.
    pub victim: Victim,
    /// Its user.
    pub uid: Option<u64>,
    /// Whose allocation failed. It is not to blame for that.
    pub invoked_by: Option<String>,
    /// Its process, where the report says it.
    pub invoked_by_pid: Option<u64>,
    /// Who was chosen, if a child or another thread of it was killed instead.
    pub chosen: Option<Victim>,
    /// What the victim held.
    pub memory: Memory,
    /// `oom_score_adj`: above 0 the process asks to be killed first.
    pub score_adjustment: Option<i64>,
    /// The victim's cgroup.
    pub cgroup: Option<String>,
    /// The cgroup whose limit was hit.
    pub limited_cgroup: Option<String>,
    /// What that cgroup had in use, bytes.
    pub usage_bytes: Option<u64>,
    /// Its limit, bytes.
    pub limit_bytes: Option<u64>,
    /// Memory of sockets in that cgroup, bytes.
    pub socket_bytes: Option<u64>,
    /// The same as a share of the limit, 1 for all of it.
    pub socket_share: Option<f64>,
    /// Anonymous memory of that cgroup, bytes.
    pub cgroup_anonymous_bytes: Option<u64>,
    /// Files and shared memory of that cgroup that are in memory, bytes.
    pub cgroup_file_bytes: Option<u64>,
    /// Whether the kernel says that its memory was freed.
    pub was_reaped: bool,
}

/// What the kernel said about the memory of TCP, lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TcpMemory {
    /// `TCP: out of memory`.
    pub out_of_memory: u64,
    /// `Out of socket memory`: memory or orphans, older kernels do not say which.
    pub out_of_socket_memory: u64,
    /// `too many orphaned sockets`.
    pub too_many_orphans: u64,
    /// MPTCP sockets closed for want of memory.
    pub mptcp_closed: u64,
}

/// A listener of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SynFlood {
    /// The address it listens on, where the kernel says it. Ours, never a peer's.
    pub address: Option<String>,
    /// Its port.
    pub port: u16,
    /// Lines.
    pub lines: u64,
    /// Whether requests were dropped rather than answered with cookies.
    pub is_dropping: bool,
}

/// Requests to connect that were dropped because a listen queue was full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CutRequests {
    /// Lines.
    pub lines: u64,
    /// Addresses they claim to come from, which may be forged; the first 256.
    pub addresses: Vec<String>,
}

/// A name and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// The name.
    pub name: String,
    /// Lines.
    pub lines: u64,
}

/// What drivers said of one interface, lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LinkChanges {
    /// The interface.
    pub interface: String,
    /// Its link went down.
    pub down: u64,
    /// Its link came up.
    pub up: u64,
    /// Hangs, resets and transmit timeouts.
    pub resets: u64,
}

/// What looks like evidence and is none, lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOut {
    /// Not written by the kernel: other programs, access logs, quotations.
    pub other_programs: u64,
    /// With an address, a port or a range that no kernel can print.
    pub impossible: u64,
    /// Without a port of ours.
    pub without_local_port: u64,
    /// Cut before they say whom they are about.
    pub cut: u64,
    /// `last message repeated` after a line that is not of interest, or not there.
    pub repeats_of_others: u64,
}
