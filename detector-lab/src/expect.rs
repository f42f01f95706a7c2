//! Waiting for conditions, and comparing numbers that cannot be exact.

use anyhow::{Result, bail, ensure};
use std::time::{Duration, Instant};

/// How long to wait for what is certain to come: what takes longer is a fault, however busy the
/// machine is and however many plays share it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until `look` gives something, at most `deadline`.
///
/// An error of `look` ends the wait at once: what may fail for a while has to say `Ok(None)`.
pub fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(
            started.elapsed() < deadline,
            "waited {deadline:?} in vain until {what}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

/// How long nothing must have changed before it is settled.
const SETTLED: Duration = Duration::from_secs(1);

/// Looks until nothing has changed for a second; gives the moment of the last change.
pub fn settled(mut look: impl FnMut() -> Result<u64>) -> Result<Instant> {
    let started = Instant::now();
    let (mut known, mut since) = (look()?, started);
    while since.elapsed() < SETTLED {
        ensure!(
            started.elapsed() < PATIENCE,
            "it still changes after {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
        let seen = look()?;
        if seen != known {
            (known, since) = (seen, Instant::now());
        }
    }
    Ok(since)
}

/// Looks for the whole of `span` and fails as soon as `violation` says what is wrong.
pub fn never(span: Duration, mut violation: impl FnMut() -> Result<Option<String>>) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < span {
        if let Some(wrong) = violation()? {
            bail!("{wrong} (after {:?})", started.elapsed());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Fails unless `seen` lies within `percent` of `expected`.
pub fn within_percent(what: &str, seen: f64, expected: f64, percent: f64) -> Result<()> {
    let slack = expected.abs() * percent / 100.0;
    ensure!(
        (seen - expected).abs() <= slack,
        "{what} is {seen}, expected {expected} within {percent} %"
    );
    Ok(())
}
