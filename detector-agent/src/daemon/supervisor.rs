//! Tells the service manager how the agent is, where there is one.

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

/// The agent ends.
pub(super) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Gives signs of life as often as the manager wants them; for ever.
pub(super) async fn keep_watchdog_calm(is_alive: impl AsyncFn() -> bool) {
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
        tracing::warn!("cannot tell the service manager: {error}");
    }
}
