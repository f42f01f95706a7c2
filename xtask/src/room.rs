//! Room on disk. A disk that fills up shows as a linker that is killed, and nobody thinks of it.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::tree;

const GIB: u64 = 1 << 30;

/// What the whole test has in the build folder at its end, on a clean checkout, and what else it keeps.
const WHOLE_TEST_BYTES: u64 = 6 * GIB;

/// Fails if the whole test would not fit beside what is built already.
pub(crate) fn need_for_whole_test() -> Result<()> {
    let folder = tree::target();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let disk = rustix::fs::statvfs(&folder)
        .with_context(|| format!("cannot ask for the room at {}", folder.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let built = size_of(&folder)
        .with_context(|| format!("cannot tell the size of {}", folder.display()))?;
    let wanted = WHOLE_TEST_BYTES.saturating_sub(built);
    if free < wanted {
        bail!(
            "the whole test needs {:.1} GiB more in {}, and {:.1} GiB are free\n\
             hint: make room, or set CARGO_TARGET_DIR to a folder on a larger disk",
            gib(wanted),
            folder.display(),
            gib(free),
        );
    }
    Ok(())
}

/// What the files below a folder hold; one that goes meanwhile holds nothing.
fn size_of(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(error),
        };
        match found {
            Ok(bytes) => sum += bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sum)
}

#[allow(clippy::cast_precision_loss, reason = "told with one digit")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB as f64
}
