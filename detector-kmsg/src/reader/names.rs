//! Names within messages of the kernel's: users call their tasks and their control groups what they like.

use crate::message::{self, Message, OomLine, Parsed, Task};

/// How long a task's name is at most.
const LONGEST_COMM: usize = 15;

/// Where in a text another message may begin.
pub(super) fn end(text: &str) -> usize {
    const GROUPS: [(&str, &str); 5] = [
        ("oom-kill:", ",uid="),
        ("Memory cgroup stats for ", ": cache:"),
        ("Tasks in /", " due to memory.oom.group set"),
        ("Task in /", "\n"),
        ("Last message '", "' repeated "),
    ];
    let groups = GROUPS.iter().find(|(kind, _)| text.starts_with(kind));
    if let Some((_, end)) = groups {
        return text.rfind(end).map_or(text.len(), |at| at + end.len());
    }
    end_of_victim(text).unwrap_or(1)
}

/// Where the name ends of the task that is killed: at the last bracket that can end it.
fn end_of_victim(text: &str) -> Option<usize> {
    let kind = ["illed process ", "ill process ", "reaped process "];
    let after = { kind.into_iter() }.find_map(|kind| Some(text.find(kind)? + kind.len()))?;
    let name = after + text[after..].find('(')? + 1;
    let bytes = &text.as_bytes()[name..];
    // Each byte that cannot be shown is written as four.
    let escaped = 3 * text[name..].matches("\\x").take(LONGEST_COMM).count();
    let longest = bytes.len().min(LONGEST_COMM + escaped + 1);
    let end = bytes[..longest].iter().rposition(|byte| *byte == b')')?;
    Some(name + end + 1)
}

/// A record that says of a kill what it can say only if a line's end stands within the name: with a blank there.
pub(super) fn kill(
    record: &str,
    line_end: &str,
    rest: impl for<'a> Fn(&'a str) -> &'a str,
) -> Option<String> {
    let (first, _) = record.split_once(line_end)?;
    let is_cut = matches!(message::parse(rest(first)), Parsed::Cut(_) | Parsed::Begun);
    let whole = is_cut.then(|| record.replace(line_end, " "))?;
    let name = match message::parse(rest(&whole)) {
        Parsed::Message(Message::Oom(line), _) => victim(line)?.name,
        _ => return None,
    };
    // Other bytes that cannot be shown may be written as four.
    let longest = LONGEST_COMM + 3 * name.matches('#').count();
    (name.chars().count() <= longest).then_some(whole)
}

fn victim(line: OomLine) -> Option<Task> {
    match line {
        OomLine::Killed { victim, .. } => Some(victim),
        OomLine::Record { chosen, .. } | OomLine::Chosen { chosen, .. } => Some(chosen),
        OomLine::Reaped(task) => Some(task),
        _ => None,
    }
}
