//! The present.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in nanoseconds.
#[must_use]
pub(crate) fn unix_ns() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
    })
}
