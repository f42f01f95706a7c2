//! Writes a recorder as an agent might have left it: `night FOLDER`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: night FOLDER")?);
    Ok(detector_recorder::fixtures::night(&folder)?)
}
