//! Samples how loaded the host is, for metrics, incidents and verdicts about the path, and which
//! addresses it has; drops the table of blocks once all in it have expired; has the agent's own cost
//! looked at.

use crate::netlink::addresses::own_addresses;
use crate::recording;
use crate::state::AgentState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time between two samples, each of a handful of small files.
const EVERY: Duration = Duration::from_secs(5);

/// Samples until the agent stops.
pub(super) async fn sample_host(state: Arc<AgentState>) {
    let mut stop = state.watch_stop();
    let is_told = Arc::new(AtomicBool::new(false));
    let mut aborted = None;
    loop {
        state.govern();
        let (sampling, told) = (Arc::clone(&state), Arc::clone(&is_told));
        // A file that hangs holds up this task and a thread, nobody else.
        let sampling = tokio::task::spawn_blocking(move || {
            sampling.actions.tidy();
            take_own_addresses(&sampling, &told);
            // Kills that are told while files are read need not be in them.
            let at = recording::now();
            let pressure = sampling.host.pressure.sample();
            sampling.count_kills(at, pressure.oom_kills);
            pressure
        });
        let sampled = tokio::select! {
            sampled = sampling => sampled,
            _ = stop.wait_for(|stops| *stops) => return,
        };
        match sampled {
            Ok(pressure) => {
                let aborted_on_memory = pressure.sockets.and_then(|all| all.aborted_on_memory);
                let pressure = state.host_pressure(&pressure);
                let aborted_before = std::mem::replace(&mut aborted, aborted_on_memory);
                let more = aborted_before.zip(aborted_on_memory);
                let more = more.map_or(0, |(before, now)| now.saturating_sub(before));
                let is_short = state.with_engine(|engine| {
                    engine.set_host_pressure(pressure);
                    engine.add_aborted_on_memory(more);
                    engine.is_tcp_memory_short()
                });
                if is_short {
                    state.host.tcp_memory.wanted.notify_one();
                }
            }
            Err(error) => tracing::warn!("sampling the host failed: {error}"),
        }
        let errors = state.host.pressure.take_interface_errors();
        state.with_engine(|engine| engine.add_interface_errors(&errors));
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stops| *stops) => return,
        }
    }
}

/// Tells the engine the addresses of the agent's own network namespace.
fn take_own_addresses(state: &AgentState, is_told: &AtomicBool) {
    match own_addresses() {
        Ok(addresses) => {
            let addresses = addresses.into_iter().map(|address| address.to_canonical());
            let addresses = addresses.collect();
            state.with_engine(|engine| engine.set_own_addresses(addresses));
        }
        Err(error) if !is_told.swap(true, Ordering::Relaxed) => tracing::warn!(
            "cannot ask for the addresses of this host: {error}; connections to programs on it are taken \
             for those of peers, nothing is blocked, and the guard does nothing"
        ),
        Err(error) => tracing::debug!("cannot ask for the addresses of this host: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::sample_host;
    use crate::config::Config;
    use crate::state::tests::state;
    use std::sync::Arc;

    #[tokio::test]
    async fn the_first_sample_comes_at_once_and_stopping_ends_it() {
        let (state, _pings) = state(&Config::default());
        let watching = tokio::spawn(sample_host(Arc::clone(&state)));
        while state.host.pressure.last().is_none() {
            tokio::task::yield_now().await;
        }
        state.stop();
        watching.await.unwrap();
    }
}
