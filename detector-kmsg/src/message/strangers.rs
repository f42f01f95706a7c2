//! Names that somebody chose and the kernel prints: of files, of control groups, of devices. They may read like
//! messages, so none begins in them.

/// What stands before such a name, or before the name of the task that has one.
const BEFORE: [&str; 17] = [
    "segfault at ",
    "segfault (",
    "traps: ",
    "general protection",
    "bad frame in ",
    "]: unhandled ",
    " killed by ",
    "rejected by pids controller in ",
    "process '",
    "process `",
    "audit: ",
    "audit(",
    "overlayfs: ",
    "Product: ",
    "Manufacturer: ",
    "SerialNumber: ",
    "input: ",
];
/// Those whose name may have line ends, and how it ends: with the addresses at which a file is mapped, or with a
/// quote.
const LINES: [(&str, &str, char); 7] = [
    ("segfault", " in ", ']'),
    ("traps: ", " in ", ']'),
    ("bad frame", " ip:", ']'),
    ("unhandled ", " in ", ']'),
    ("process '", "", '\''),
    ("process `", "", '\''),
    ("overlayfs: ", "'", '\''),
];

/// Where the text of a stranger may begin.
pub(crate) fn begin(text: &str) -> Option<usize> {
    BEFORE.iter().filter_map(|before| text.find(before)).min()
}

/// How a name with line ends would end that has not ended on this line; `None` if there is none, or it has.
pub(crate) fn is_open(text: &str) -> bool {
    LINES.iter().any(|(kind, before, end)| {
        let name = text.split_once(kind);
        let name = name.and_then(|(_, rest)| rest.split_once(before));
        name.is_some_and(|(_, name)| !has_ended(name, *end))
    })
}

/// Whether a line is the last one of an open name.
pub(crate) fn ends(text: &str) -> bool {
    has_ended(text, ']') || text.contains('\'')
}

/// `…]`, `…] likely on CPU 3 (core 1, socket 0)`, `…' started with executable stack`.
fn has_ended(name: &str, end: char) -> bool {
    if end != ']' {
        return name.contains(end);
    }
    let name = name.split(" likely on CPU ").next().unwrap_or(name);
    let addresses = name.trim_end().strip_suffix(']');
    let addresses = addresses.and_then(|name| Some(name.rsplit_once('[')?.1));
    let is_part = |c: char| c.is_ascii_hexdigit() || "+,".contains(c);
    addresses.is_some_and(|text| text.contains('+') && text.chars().all(is_part))
}
