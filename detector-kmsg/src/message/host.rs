//! What the host's own troubles look like: allocations, hung tasks, suppressed messages, boots.

use super::Message;
use super::cursor::Cursor;
use super::oom::has_colon;
use super::strangers;

/// Functions that count what they, or the network code, were not let write.
const LIMITERS: [&str; 9] = [
    "NET",
    "printk",
    "__ratelimit",
    "net_ratelimit",
    "oom_kill_process",
    "pagefault_out_of_memory",
    "warn_alloc",
    "warn_alloc_failed",
    "slab_out_of_memory",
];

/// What stands before how often the line before came again.
const REPEATS: [&str; 3] = [
    "last message repeated ",
    "last message buffered ",
    "Last output repeated ",
];

pub(super) fn message(text: &str) -> Option<Message> {
    boot(text)
        .or_else(|| suppressed(text))
        .or_else(|| repeated(text))
        .or_else(|| hung(text))
        .or_else(|| allocation(text))
}

fn boot(text: &str) -> Option<Message> {
    let is_boot = ["-- Boot ", "-- Reboot --", "Linux version "]
        .iter()
        .any(|beginning| text.starts_with(beginning));
    is_boot.then_some(Message::Boot)
}

/// `NET: 147 messages suppressed.` (2.4), `printk: …` (2.6), `net_ratelimit: 273 callbacks
/// suppressed`, and messages lost on the console.
fn suppressed(text: &str) -> Option<Message> {
    // The stars before it may have been taken for marks.
    let starred = text
        .trim_start_matches("printk: ")
        .trim_start_matches(['*', ' ']);
    let mut cursor = Cursor(starred);
    if let Ok(count) = cursor.digits().parse()
        && cursor.0.starts_with(" printk messages dropped")
    {
        return Some(Message::Suppressed(count));
    }
    let (function, rest) = text.split_once(": ")?;
    let mut cursor = Cursor(rest);
    let count = cursor.digits().parse().ok()?;
    let is_said = cursor.0.starts_with(" messages suppressed")
        || cursor.0.starts_with(" callbacks suppressed");
    (is_said && LIMITERS.contains(&function)).then_some(Message::Suppressed(count))
}

/// `last message repeated 3 times`, in newer versions of sysklogd `… buffered 3 times`, metalog's `Last output repeated 3 times -` and, for one time, `… twice -`, and
/// syslog-ng's `Last message 'TCP: Treason uncloak' repeated 3 times, suppressed by syslog-ng on web1`.
fn repeated(text: &str) -> Option<Message> {
    if text.starts_with("Last output repeated twice -") {
        return Some(Message::Repeated(1, None));
    }
    let of_syslog_ng = || {
        let (beginning, rest) = text
            .strip_prefix("Last message '")?
            .rsplit_once("' repeated ")?;
        let is_whole = rest.contains(" times, suppressed by syslog-ng");
        is_whole.then_some((Some(beginning.to_owned()), rest))
    };
    let plain = REPEATS.iter().find_map(|words| text.strip_prefix(words));
    let (beginning, rest) = plain.map(|rest| (None, rest)).or_else(of_syslog_ng)?;
    let mut cursor = Cursor(rest);
    let count = cursor.digits().parse().ok()?;
    let is_said = cursor.0.starts_with(" time");
    is_said.then_some(Message::Repeated(count, beginning))
}

/// `INFO: task httpd:1234 blocked for more than 120 seconds.`, in newer kernels also `… blocked in I/O wait for
/// more than …`.
fn hung(text: &str) -> Option<Message> {
    let (task, rest) = text.strip_prefix("INFO: task ")?.split_once(" blocked ")?;
    let rest = rest.strip_prefix("in I/O wait ").unwrap_or(rest);
    if !rest.starts_with("for more than ") {
        return None;
    }
    Some(Message::HungTask(
        task.rsplit_once(':')
            .map_or(task, |(name, _)| name)
            .to_owned(),
    ))
}

/// `httpd: page allocation failure. order:1, mode:0x20`, `__alloc_pages: 0-order allocation failed`
/// (2.4), `httpd: vmalloc: allocation failure`, `SLUB: Unable to allocate memory on node -1`.
fn allocation(text: &str) -> Option<Message> {
    let names = text.match_indices(": ").take(2);
    { names }.find_map(|(at, colon)| allocation_of(&text[..at], &text[at + colon.len()..], text))
}

fn allocation_of(task: &str, rest: &str, text: &str) -> Option<Message> {
    let rest = if task == "vmalloc" { text } else { rest };
    let is_failure = rest.starts_with("page allocation failure")
        || rest.starts_with("page allocation stalls")
        || (task == "__alloc_pages" && rest.contains("-order allocation failed"))
        || rest.starts_with("vmalloc: allocation fail")
        || rest.starts_with("vmalloc error: size ")
        || (matches!(task, "SLUB" | "SLAB") && rest.starts_with("Unable to allocate memory"));
    let is_task = task.len() <= 64
        && !(task.ends_with(']') && task.contains('['))
        && (!task.contains(": ") || has_colon(task));
    (is_failure && is_task && strangers::begin(task).is_none())
        .then(|| Message::AllocationFailure(task.to_owned()))
}
