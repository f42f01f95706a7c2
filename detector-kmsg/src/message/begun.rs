//! First words of messages, as they stand at the end of a line that was broken.

use super::tcp::without_tag;

/// How messages begin, `TCP: ` not shown.
const BEGINNINGS: [&str; 30] = [
    "Treason uncloaked! Peer ",
    "Peer ",
    "peer ",
    "Probing zero-window on ",
    "out of memory",
    "too many orphaned sockets",
    "too many of orphaned sockets",
    "drop open request from ",
    "Out of socket memory",
    "MPTCP: out of memory",
    "Out of memory: Killed process ",
    "Out of memory: Kill process ",
    "Out of memory: kill process ",
    "Out of Memory: Killed process ",
    "Out of Memory: Kill process ",
    "Memory cgroup out of memory: Killed process ",
    "Memory cgroup out of memory: Kill process ",
    "Memory cgroup stats for ",
    "Killed process ",
    "Kill process ",
    "oom-kill:constraint=",
    "oom_reaper: reaped process ",
    "memory: usage ",
    "INFO: task ",
    "Task in /",
    "Tasks in /",
    "NET: ",
    "printk: ",
    "net_ratelimit: ",
    "__ratelimit: ",
];
/// What follows a name, and so many bytes of which show that it is that.
const ENDINGS: [(&str, usize); 6] = [
    (" invoked oom-killer:", 8),
    (": page allocation failure", 6),
    ("ossible SYN flooding on port ", 8),
    ("ink is Down", 6),
    ("ink is Up", 6),
    (" killed as a result of limit of ", 8),
];
/// A shorter text shows of no other message that it begins or ends there.
const SHORTEST: usize = 3;

pub(super) fn is_begun(text: &str) -> bool {
    let text = text.trim_end();
    let body = without_tag(text);
    let is_start = |whole: &str| whole.len() > body.len() && whole.starts_with(body);
    if text.is_empty() || text.len() > 512 {
        return false;
    }
    if "TCP:".starts_with(text) || BEGINNINGS.iter().any(|whole| is_start(whole)) {
        return true;
    }
    let is_other = || {
        let mut ends = ENDINGS.iter();
        ends.any(|(whole, least)| is_end(text, whole, *least)) || is_open(text)
    };
    text.len() >= SHORTEST && is_other()
}

/// Whether `text` ends within `whole`.
fn is_end(text: &str, whole: &str, least: usize) -> bool {
    (least..whole.len()).any(|length| text.ends_with(whole[..length].trim_end()))
}

/// Lines that have begun to say what they are about.
fn is_open(text: &str) -> bool {
    let begins = |beginning| text.starts_with(beginning);
    let is_stats = begins("Memory cgroup stats for ") && !text.contains(':');
    let is_usage = begins("memory: usage ") && !text.contains("failcnt");
    let is_task = begins("INFO: task ") && text.len() < 80;
    let is_limiter = ["NET: ", "printk: ", "net_ratelimit: ", "__ratelimit: "]
        .into_iter()
        .any(|limiter| {
            let count = text.strip_prefix(limiter.trim_end());
            count.is_some_and(|count| count.is_empty() || count.starts_with(' '))
        });
    let is_group = (begins("Task in /") || begins("Tasks in /")) && text.len() < 400;
    is_stats || is_usage || is_task || is_limiter || is_group || is_name(text)
}

/// One word, and what it says is due: of a task, or of who counts requests.
fn is_name(text: &str) -> bool {
    const LONGEST: usize = 24;
    text.ends_with(':') && without_tag(text).len() <= LONGEST && !without_tag(text).contains(' ')
}
