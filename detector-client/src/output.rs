//! What commands write: their output, and notes beside it.

use detector_api::failure::Failure;
use detector_api::sanitize;
use std::io::{self, Write as _};

/// Writes text to stdout.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Says something on stderr beside the output.
pub(crate) fn note(text: &str) {
    // A lost note is no failure.
    let text = sanitize::text(text);
    drop(writeln!(io::stderr().lock(), "note: {text}"));
}
