//! The guard: acts by itself, if it is told to, while the host is under pressure. It looks each second
//! while it is on, and what it did is undone once it acts no more or the agent stops.
//!
//! In: pressure, what the engine knows of peers, who is to be spared. `actions` carry out what is due.
//! Out: of each step an event, a note of the recorder, counts and a line of the log; of a dry run the
//! same, and nothing is done. Never: anything while it is off, or where it is not known whom to spare.

mod round;

use crate::capability::{Capability, has};
use crate::config::GuardMode;
use crate::state::AgentState;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(1);

/// What it did is to be undone within so long once the agent stops; else the kernel does so.
const LIFT_PATIENCE: Duration = Duration::from_millis(500);

/// Guards until the agent stops.
pub(super) async fn watch(state: Arc<AgentState>) {
    let mut stop = state.watch_stop();
    let mut before = GuardMode::Off;
    loop {
        let mode = state.guard.config().mode;
        let looks = async {
            if mode != before {
                // Of what it did, and of the pressure that it saw.
                on_a_thread(&state, round::lift).await;
                if mode == GuardMode::Enforce && !has(Capability::NetAdmin) {
                    tracing::warn!(
                        "the guard is to enforce, but the agent lacks CAP_NET_ADMIN and can act on \
                         nobody; run it as root, or give its service CAP_NET_ADMIN, and restart it"
                    );
                }
            }
            if mode != GuardMode::Off {
                on_a_thread(&state, round::round).await;
            }
        };
        tokio::select! {
            () = looks => {}
            _ = stop.wait_for(|stops| *stops) => {}
        }
        before = mode;
        tokio::select! {
            () = tokio::time::sleep(EVERY), if mode != GuardMode::Off => {}
            () = state.guard.switched.notified() => {}
            _ = stop.wait_for(|stops| *stops) => break,
        }
    }
    if before != GuardMode::Off {
        let lifted = on_a_thread(&state, round::lift);
        if tokio::time::timeout(LIFT_PATIENCE, lifted).await.is_err() {
            tracing::warn!("what the guard made is not lifted yet; it ends with the process");
        }
    }
}

/// It waits for the kernel, and may do so for longer than this is waited for.
async fn on_a_thread(state: &Arc<AgentState>, act: fn(&AgentState)) {
    let acting = Arc::clone(state);
    if let Err(error) = tokio::task::spawn_blocking(move || act(&acting)).await {
        tracing::error!("the guard failed: {error}");
    }
}
