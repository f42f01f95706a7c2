//! What a line must have to be looked at in a log that is too large to have been pasted.

use aho_corasick::AhoCorasick;

/// A message that a mail program has broken is found by its first part.
const NEEDLES: [&str; 64] = [
    // Where the text itself cannot be searched for, or goes on on the next line.
    DOCKER,
    "{\n",
    "{\r\n",
    "\"MESSAGE\":[",
    "\"MESSAGE\" : [",
    "\"MESSAGE\": [",
    "\"MESSAGE\" :[",
    " [s=",
    "__CURSOR=s=",
    " stdout P ",
    " stderr P ",
    // A name in these lines may go on on the next one.
    "segfault",
    "traps: ",
    "bad frame in ",
    "process '",
    "overlayfs: ",
    "Treason",
    "TCP: Peer",
    "shrinks window",
    "unexpectedly shrunk",
    "robing zero",
    "ut of memory",
    "ut of Memory",
    "ut of socket memory",
    "orphaned socket",
    "SYN flood",
    "drop open request",
    "oom-kill",
    "oom_reaper",
    "ill process",
    "illed process",
    "illing process",
    "memory: usage",
    "emory cgroup",
    "killed as a result",
    " suppressed",
    "essage repeated",
    "messages dropped",
    "buffer overrun",
    "Missed ",
    "-- Boot",
    "-- Reboot",
    "Linux version ",
    "llocation fail",
    "llocation stall",
    "vmalloc error",
    "Unable to allocate",
    "blocked for more than",
    "blocked in I/O wait",
    "ink is ",
    "ink down",
    "ink up",
    "ink Down",
    "ink Up",
    "ink status",
    "NETDEV WATCHDOG",
    "Unit Hang",
    "etting adapter",
    "eset adapter",
    "ransmit timed out",
    "TX timeout",
    "x timeout",
    "tx_timeout",
    "tx hang",
];
/// Each line of Docker's has it; few are looked at further.
pub(super) const DOCKER: &str = "{\"log\":\"";

/// The search for them.
pub(super) fn search() -> Result<AhoCorasick, String> {
    AhoCorasick::new(NEEDLES).map_err(|error| error.to_string())
}
