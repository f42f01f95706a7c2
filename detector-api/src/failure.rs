//! How a command fails: one line that says what and why, one hint, one exit code.
//!
//! Names of files, and what others say of what is in them, are part of both lines: they are made harmless
//! here, wherever they come from.

use crate::sanitize;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Exit codes; a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Something failed.
    Failed = 1,
    /// The command line or the configuration is wrong, or something is in use.
    Usage = 2,
    /// This kernel is not supported.
    Unsupported = 3,
    /// Not enough privilege.
    Privilege = 4,
}

impl Code {
    /// The code that the kernel side gave as a number.
    pub const fn of(number: u8) -> Self {
        match number {
            2 => Self::Usage,
            3 => Self::Unsupported,
            4 => Self::Privilege,
            _ => Self::Failed,
        }
    }
}

/// A command that failed.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// A failure with its code; `error` reads `what failed: why`.
    pub fn new(code: Code, error: impl Into<anyhow::Error>) -> Self {
        Self {
            code,
            error: error.into(),
            hint: None,
        }
    }

    /// Wrong usage, configuration, or a resource that is taken.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Code::Usage, anyhow::anyhow!("{message}"))
    }

    /// Any other failure.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::new(Code::Failed, anyhow::anyhow!("{message}"))
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Writes the lines to stderr and returns the exit code.
    pub fn report(&self) -> ExitCode {
        if self.is_closed_pipe() {
            return ExitCode::SUCCESS;
        }
        // Nothing can be done if stderr is gone too.
        let _ignored = io::stderr().lock().write_all(self.to_string().as_bytes());
        ExitCode::from(self.code as u8)
    }

    /// Whoever read our output has had enough of it; that is no failure.
    fn is_closed_pipe(&self) -> bool {
        self.error.chain().any(|cause| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        })
    }

    /// Its exit code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = format!("{:#}", self.error);
        writeln!(f, "error: {}", sanitize::text(&error))?;
        match &self.hint {
            Some(hint) => writeln!(f, "hint: {}", sanitize::text(hint)),
            None => Ok(()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Code::Failed, error)
    }
}

/// Output of a command that could not be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(
            Code::Failed,
            anyhow::Error::new(error).context("cannot write the output"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Failure};
    use std::io;

    #[test]
    fn lines_name_what_why_and_what_to_do() {
        let failure = Failure::usage("cannot bind 127.0.0.1:1: in use").hint("stop the other");
        assert_eq!(
            failure.to_string(),
            "error: cannot bind 127.0.0.1:1: in use\nhint: stop the other\n"
        );
        assert_eq!(failure.code(), Code::Usage);
    }

    #[test]
    fn nothing_that_strangers_wrote_makes_a_line_or_moves_the_cursor() {
        let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\nhint: run this\u{202e}";
        let cause = anyhow::anyhow!("{evil}").context(evil);
        let told = Failure::new(Code::Failed, cause).hint(evil).to_string();
        let lines: Vec<_> = told.lines().collect();
        let clean = "\u{fffd}]0;owned\u{fffd}\u{fffd}[2J\u{fffd}hint: run this\u{fffd}";
        let [error, hint] = lines[..] else {
            panic!("{told}");
        };
        assert_eq!(error, format!("error: {clean}: {clean}"));
        assert_eq!(hint, format!("hint: {clean}"));
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.is_closed_pipe());
        let failure = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert!(!failure.is_closed_pipe());
    }
}
