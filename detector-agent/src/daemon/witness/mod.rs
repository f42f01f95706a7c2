//! What the kernel says and does that matters here: its log, and the hook on the victims of its OOM killer.
//!
//! In: records of `/dev/kmsg`, victims of the hook. Out: notes of the recorder, and kills for the
//! incident. A kill is one, whoever tells it first; see `kills`.

mod log;
mod report;
mod victims;

use crate::host::kernel_log::{self, KernelLog};
use crate::kernel::Victims;
use crate::state::AgentState;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// The running threads; that of the log ends when this is dropped, that of the hook with the kernel side.
pub(super) struct Witness {
    _log: Option<Sender<Infallible>>,
}

/// Opens the kernel's log, which may need a privilege.
pub(super) fn open() -> io::Result<KernelLog> {
    Ok(KernelLog::open(Path::new(kernel_log::PATH))?)
}

/// Starts what there is; says what there is not.
pub(super) fn start(
    state: &Arc<AgentState>,
    victims: Option<Victims>,
    kernel_log: io::Result<KernelLog>,
) -> Witness {
    if let Some(victims) = victims
        && let Err(error) = victims::start(Arc::clone(state), victims)
    {
        state.lose_victims(&error.to_string());
    }
    let log = kernel_log.and_then(|log| log::start(Arc::clone(state), log));
    let log = log.inspect_err(|error| state.lose_kernel_log(&error.to_string()));
    Witness { _log: log.ok() }
}
