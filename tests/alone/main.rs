//! Stories that need the machine for themselves: an agent sees all of it, so the peers of another
//! story would be part of what these are about. Each module's first lines say what it verifies.

/// Plays each of these functions over both families.
macro_rules! both_families {
    ($($story:ident),+ $(,)?) => {
        $(mod $story {
            #[test]
            fn v4() -> anyhow::Result<()> {
                super::$story(detector_tests::lab::Family::V4)
            }

            #[test]
            fn v6() -> anyhow::Result<()> {
                super::$story(detector_tests::lab::Family::V6)
            }
        })+
    };
}

mod block;
mod guard;
mod history;
mod incidents;
mod labelled;
mod networks;
mod never_read;
mod oom_kill;
mod orphan_limit;
mod past;
mod places;
mod records;
mod selftest;
mod slow_readers;
mod start;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by each story here for as long as it is played.
fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
