//! What the terminal on stdout can show, and text painted for it.

use detector_api::snapshot::Severity;
use std::io::IsTerminal;

/// What the place where text is shown can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Cells of a line; `None` where there is no terminal, and nothing is cut.
    pub width: Option<usize>,
    /// Whether colours are wanted.
    pub has_colours: bool,
    /// Whether it shows more than ASCII.
    pub has_unicode: bool,
}

impl Capabilities {
    /// A file or a pipe.
    pub const PIPE: Self = Self {
        width: None,
        has_colours: false,
        has_unicode: false,
    };

    /// Of stdout, by what the environment says of it.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let size = terminal_size::terminal_size().filter(|_| is_terminal);
        let terminal = variable("TERM").filter(|_| is_terminal);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable);
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            width: size.map(|(width, _)| usize::from(width.0)),
            has_colours: variable("NO_COLOR").is_none()
                && terminal.is_some_and(|terminal| has_colours(&terminal)),
            has_unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// What stands for what was cut off.
    pub const fn ellipsis(self) -> char {
        if self.has_unicode { '…' } else { '~' }
    }

    /// The text in this tone, if colours are wanted.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        match tone.code() {
            Some(code) if self.has_colours && !text.is_empty() => {
                format!("\u{1b}[{code}m{text}\u{1b}[0m")
            }
            _ => text.to_owned(),
        }
    }

    /// Name of a severity, in its tone.
    pub fn severity(self, severity: Severity) -> String {
        self.paint(Tone::of(severity), severity.label())
    }
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(|value| value.to_string_lossy().into_owned())
}

/// Whether a terminal of this name has colours; the few that have none are old or say so.
fn has_colours(terminal: &str) -> bool {
    let is_without = matches!(
        terminal,
        "dumb" | "vt52" | "vt100" | "vt102" | "vt220" | "vt320"
    ) || terminal.ends_with("-m")
        || terminal.ends_with("-mono");
    !is_without
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    #[default]
    Plain,
    /// Headings.
    Strong,
    /// What deserves a look.
    Caution,
    /// What costs dearly.
    Alarm,
    /// What one may skip.
    Quiet,
}

impl Tone {
    /// What matters this much.
    pub const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Plain,
            Severity::Warning => Self::Caution,
            Severity::Critical => Self::Alarm,
        }
    }

    /// Parameters of the escape sequence (SGR). They work on light and dark grounds: no background,
    /// no bright colours and none of the pale ones; a test of `detector top` has the numbers.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Caution => Some("35"),
            Self::Alarm => Some("1;31"),
            Self::Quiet => Some("2"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, Tone, has_colours};

    #[test]
    fn colours_only_where_they_are_wanted() {
        assert_eq!(Capabilities::PIPE.paint(Tone::Alarm, "bad"), "bad");
        let coloured = Capabilities {
            has_colours: true,
            ..Capabilities::PIPE
        };
        assert_eq!(
            coloured.paint(Tone::Alarm, "bad"),
            "\u{1b}[1;31mbad\u{1b}[0m"
        );
        assert_eq!(coloured.paint(Tone::Plain, "fair"), "fair");
    }

    #[test]
    fn old_terminals_have_no_colours() {
        assert!(has_colours("xterm-256color") && has_colours("linux"));
        assert!(!has_colours("dumb") && !has_colours("xterm-mono") && !has_colours("vt100"));
    }
}
