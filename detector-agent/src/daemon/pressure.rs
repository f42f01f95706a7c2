//! Looks at the host now and then: for the metrics, and for verdicts about the path; lets go of
//! the kernel's table once all blocks in it have expired.

use crate::state::AgentState;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks: a handful of small files.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until the agent stops.
pub(super) async fn watch(state: Arc<AgentState>) {
    let mut stop = state.watch_stop();
    loop {
        let looking = Arc::clone(&state);
        // A file that hangs holds up this task and a thread, nobody else.
        let looking = tokio::task::spawn_blocking(move || {
            looking.actions.tidy();
            looking.pressure.look()
        });
        let looked = tokio::select! {
            looked = looking => looked,
            _ = stop.wait_for(|stops| *stops) => return,
        };
        match looked {
            Ok(pressure) => {
                let pressure = pressure.for_incidents();
                state.with_engine(|engine| engine.set_host_pressure(pressure));
            }
            Err(error) => tracing::warn!("looking at the host failed: {error}"),
        }
        let errors = state.pressure.take_interface_errors();
        state.with_engine(|engine| engine.add_interface_errors(&errors));
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stops| *stops) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::watch;
    use crate::config::Config;
    use crate::state::tests::state;
    use std::sync::Arc;

    #[tokio::test]
    async fn the_first_look_comes_at_once_and_stopping_ends_it() {
        let (state, _pings) = state(&Config::default());
        let watching = tokio::spawn(watch(Arc::clone(&state)));
        while state.pressure.last().is_none() {
            tokio::task::yield_now().await;
        }
        state.stop();
        watching.await.unwrap();
    }
}
