//! Has the guard look each second while it is on, and undoes what it did once it is off or the agent stops.

use crate::config::GuardMode;
use crate::guard;
use crate::state::AgentState;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

/// Guards until the agent stops.
pub(super) async fn watch(state: Arc<AgentState>) {
    let mut stop = state.watch_stop();
    let mut was_on = false;
    loop {
        let is_on = state.guard.config().mode != GuardMode::Off;
        if is_on {
            on_a_thread(&state, guard::round).await;
        } else if was_on {
            on_a_thread(&state, guard::lift).await;
        }
        was_on = is_on;
        tokio::select! {
            () = tokio::time::sleep(EVERY), if is_on => {}
            () = state.guard.switched.notified() => {}
            _ = stop.wait_for(|stops| *stops) => break,
        }
    }
    if was_on {
        on_a_thread(&state, guard::lift).await;
    }
}

/// It waits for the kernel.
async fn on_a_thread(state: &Arc<AgentState>, act: fn(&AgentState)) {
    let acting = Arc::clone(state);
    if let Err(error) = tokio::task::spawn_blocking(move || act(&acting)).await {
        tracing::error!("the guard failed: {error}");
    }
}
