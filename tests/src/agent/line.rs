//! Lines of `/v1/events`, and which of them are events.

/// Whether there is an event in this line, and not how many were overwritten before they were read.
pub(super) fn is_event(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("{\"dropped\":") && !is_note(line)
}

/// Whether it is something that the agent says of itself: it may give something up where much runs beside it.
pub fn is_note(line: &str) -> bool {
    line.starts_with("{\"event\":")
}
