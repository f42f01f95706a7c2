//! Looks who holds TCP's memory while somebody wants to know: the control socket, an open incident,
//! or the kernel because it is short.

use crate::state::AgentState;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at whether anybody still wants to know, while somebody does.
const PAUSE: Duration = Duration::from_secs(1);
/// The same while nobody does: whoever begins to, says so.
const IDLE_PAUSE: Duration = Duration::from_secs(10);

/// Looks until the agent stops.
pub(super) async fn watch(state: Arc<AgentState>, nice: i32) {
    let mut stop = state.watch_stop();
    if !state.host.watched.is_host() {
        // That memory is one for the whole host: most of it is held by others.
        drop(stop.wait_for(|stops| *stops).await);
        return;
    }
    loop {
        let is_wanted = state.with_engine(|engine| {
            // Names of programs arrive after the look.
            engine.set_tcp_memory_held(state.host.tcp_memory.read());
            engine.is_tcp_memory_short() || engine.open_incident().is_some()
        });
        let pause = match state.host.tcp_memory.due_in(is_wanted) {
            Some(Duration::ZERO) => {
                let looking = Arc::clone(&state);
                let look = tokio::task::spawn_blocking(move || {
                    let stalled = || looking.with_engine(|engine| engine.stalled_send_bytes());
                    looking.host.tcp_memory.look(nice, stalled);
                    // For the names of programs.
                    looking.doze.rouse();
                });
                if let Err(error) = look.await {
                    tracing::warn!("looking who holds TCP's memory failed: {error}");
                }
                Duration::ZERO
            }
            Some(due_in) => due_in.min(PAUSE),
            None => IDLE_PAUSE,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = state.host.tcp_memory.wanted.notified() => {}
            _ = stop.wait_for(|stops| *stops) => return,
        }
    }
}
