//! The thread of the writer: its start and its end.

use super::opening::Opening;
use super::writer::Writer;
use crate::priority::set_niceness;
use crate::state::AgentState;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// For the last commit; a disk that does not answer must not keep the agent from stopping.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// The running thread.
pub(in crate::daemon) struct RecorderThread {
    state: Arc<AgentState>,
    /// Closed by the thread when it ends.
    running: Receiver<Infallible>,
}

/// Starts it.
pub(in crate::daemon) fn start(
    state: Arc<AgentState>,
    opening: Opening,
    nice: i32,
) -> io::Result<RecorderThread> {
    let of_thread = Arc::clone(&state);
    let (alive, running) = channel::<Infallible>();
    std::thread::Builder::new()
        .name("recorder".to_owned())
        .spawn(move || {
            let _alive = alive;
            if let Err(error) = set_niceness(nice) {
                tracing::debug!("cannot set the niceness of the recorder: {error}");
            }
            if let Some(begun) = opening.wait(&of_thread) {
                Writer::new(of_thread, begun).run();
            }
        })?;
    Ok(RecorderThread { state, running })
}

impl RecorderThread {
    /// Has what waits written and the run ended.
    pub(in crate::daemon) fn end(self) {
        self.state.recording.end();
        // It never sends anything: this waits for it to end.
        if self.running.recv_timeout(END_PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let seconds = END_PATIENCE.as_secs();
            tracing::error!(
                "the recorder did not end within {seconds} s: its disk does not answer, or the machine \
                 is too busy; what waited is lost"
            );
        }
    }
}
