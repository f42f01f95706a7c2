//! Looks who holds TCP's memory: now and then for the record, more often while somebody wants to know, which is
//! the control socket, an open incident, or the kernel because it is short.

use crate::host::tcp_memory::{LookFor, first_recorded_after};
use crate::state::AgentState;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    let began = Instant::now();
    let first_after = tokio::select! {
        first_after = first_after(&state) => first_after,
        _ = stop.wait_for(|stops| *stops) => return,
    };
    loop {
        // Names of programs arrive after the look. Read before the engine is locked: a look asks the engine.
        let held = state.host.tcp_memory.read();
        let is_wanted = state.with_engine(|engine| {
            engine.set_tcp_memory_held(held);
            engine.is_tcp_memory_short() || engine.open_incident().is_some()
        });
        let is_recorded = state.recording.is_on() && began.elapsed() >= first_after;
        let pause = match state.host.tcp_memory.due_in(is_wanted, is_recorded) {
            Some((look_for, Duration::ZERO)) => {
                look(&state, look_for, nice).await;
                Duration::ZERO
            }
            Some((LookFor::Asker, due_in)) => due_in.min(PAUSE),
            Some((LookFor::Record, due_in)) => due_in.min(IDLE_PAUSE),
            None => IDLE_PAUSE,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = state.host.tcp_memory.wanted.notified() => {}
            _ = stop.wait_for(|stops| *stops) => return,
        }
    }
}

async fn first_after(state: &Arc<AgentState>) -> Duration {
    let sampling = Arc::clone(state);
    let sampled = tokio::task::spawn_blocking(move || sampling.host.pressure.sample().sockets);
    let sockets = sampled.await.ok().flatten();
    first_recorded_after(sockets.map_or(0, |sockets| sockets.tcp_allocated))
}

async fn look(state: &Arc<AgentState>, look_for: LookFor, nice: i32) {
    let looking = Arc::clone(state);
    let look = tokio::task::spawn_blocking(move || {
        let stalled = || looking.with_engine(|engine| engine.stalled_send_bytes());
        looking.host.tcp_memory.look(look_for, nice, stalled);
        if look_for == LookFor::Asker {
            // For the names of programs.
            looking.doze.rouse();
        }
    });
    if let Err(error) = look.await {
        tracing::warn!("looking who holds TCP's memory failed: {error}");
    }
}
