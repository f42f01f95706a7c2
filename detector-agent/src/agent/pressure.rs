//! Looks at the host now and then: for the metrics, and for verdicts about the path; lets go of
//! the kernel's table once all blocks in it have expired.

use crate::live::Live;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks: a handful of small files.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until the agent stops.
pub(super) async fn watch(live: Arc<Live>) {
    let mut stop = live.watch_stop();
    loop {
        let looking = Arc::clone(&live);
        // A file that hangs holds up this task and a thread, nobody else.
        let looking = tokio::task::spawn_blocking(move || {
            looking.guard.tidy();
            looking.pressure.look()
        });
        let looked = tokio::select! {
            looked = looking => looked,
            _ = stop.wait_for(|stops| *stops) => return,
        };
        match looked {
            Ok(pressure) => {
                let pressure = pressure.for_incidents();
                live.with_engine(|engine| engine.set_host_pressure(pressure));
            }
            Err(error) => tracing::warn!("looking at the host failed: {error}"),
        }
        let errors = live.pressure.take_interface_errors();
        live.with_engine(|engine| engine.add_interface_errors(&errors));
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
    use crate::live::tests::live;
    use std::sync::Arc;

    #[tokio::test]
    async fn the_first_look_comes_at_once_and_stopping_ends_it() {
        let (live, _pings) = live(&Config::default());
        let watching = tokio::spawn(watch(Arc::clone(&live)));
        while live.pressure.last().is_none() {
            tokio::task::yield_now().await;
        }
        live.stop();
        watching.await.unwrap();
    }
}
