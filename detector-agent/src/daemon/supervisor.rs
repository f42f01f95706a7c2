//! Reports the state of the agent to the service manager, where there is one.

use sd_notify::NotifyState;
use std::time::Duration;

/// Every listener is open and every probe attached.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// A reload begins; `ready` ends it.
pub(super) fn reloading() {
    if let Ok(since_boot) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, since_boot]);
    }
}

/// The agent is stopping.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Feeds the manager's watchdog as often as it wants, for ever.
pub(super) async fn feed_watchdog(is_alive: impl AsyncFn() -> bool) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut tick = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
    loop {
        tick.tick().await;
        if is_alive().await {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}
