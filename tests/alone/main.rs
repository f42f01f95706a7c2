//! Stories that need the machine for themselves: an agent sees all of it, so the peers of another
//! story would be part of what these are about. Each module's first lines say what it verifies.

mod guard;
mod incidents;
mod labelled;
mod oom_kill;
mod orphan_limit;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by each story here for as long as it is played.
fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
