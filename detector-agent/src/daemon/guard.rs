//! Has the guard look each second while it is on, and undoes what it did once it acts no more or the agent
//! stops.

use crate::capability::{Capability, has};
use crate::config::GuardMode;
use crate::guard;
use crate::state::AgentState;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

/// Guards until the agent stops.
pub(super) async fn watch(state: Arc<AgentState>) {
    let mut stop = state.watch_stop();
    let mut before = GuardMode::Off;
    loop {
        let mode = state.guard.config().mode;
        if mode != before {
            // Of what it did, and of the pressure that it saw.
            on_a_thread(&state, guard::lift).await;
            if mode == GuardMode::Enforce && !has(Capability::NetAdmin) {
                tracing::warn!(
                    "the guard is to enforce, but the agent lacks CAP_NET_ADMIN and can act on nobody; \
                     run it as root, or give its service CAP_NET_ADMIN, and restart it"
                );
            }
        }
        if mode != GuardMode::Off {
            on_a_thread(&state, guard::round).await;
        }
        before = mode;
        tokio::select! {
            () = tokio::time::sleep(EVERY), if mode != GuardMode::Off => {}
            () = state.guard.switched.notified() => {}
            _ = stop.wait_for(|stops| *stops) => break,
        }
    }
    if before != GuardMode::Off {
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
