//! The one task that feeds the engine: messages in, time forward, new events out.

use super::flag_log::FlagLog;
use crate::clock;
use crate::kernel::Message;
use crate::live::{Live, Ping};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

/// Batches taken at one go.
const BATCHES: usize = 16;
/// How often time moves on without a message.
const TICK: Duration = Duration::from_millis(100);

/// Judges until the kernel side ends; gives the reason.
pub(super) async fn judge(
    live: Arc<Live>,
    mut messages: mpsc::Receiver<Message>,
    mut pings: mpsc::Receiver<Ping>,
) -> String {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut flag_log = FlagLog::new(clock::now());
    let mut logged_event = 0;
    let mut batch = Vec::with_capacity(BATCHES);
    loop {
        tokio::select! {
            count = messages.recv_many(&mut batch, BATCHES) => {
                if count == 0 {
                    return "the kernel side ended without a reason".to_owned();
                }
                if let Err(reason) = live.take(&mut batch) {
                    return reason;
                }
            }
            Some(ping) = pings.recv() => {
                // Whoever asked may have lost patience.
                let _ = ping.send(());
            }
            _ = tick.tick() => {
                live.with_engine(|_| ());
                flag_log.sum_up(clock::now());
            }
        }
        live.publish_events();
        logged_event = log_flags(&live, &mut flag_log, logged_event);
    }
}

/// Logs the flags among the events after `logged`; gives the number of the newest event.
fn log_flags(live: &Live, flag_log: &mut FlagLog, logged: u64) -> u64 {
    let engine = live.engine();
    let now = clock::now();
    let mut not_logged = 0;
    for event in engine.events_after(logged) {
        not_logged += u64::from(flag_log.log(event, now));
    }
    live.counts
        .flags_not_logged
        .fetch_add(not_logged, Ordering::Relaxed);
    engine.last_event_id()
}
