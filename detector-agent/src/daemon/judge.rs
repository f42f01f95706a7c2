//! The one task that feeds the engine: messages in, time forward, new events out.

use super::flag_log::FlagLog;
use super::incident_log::IncidentLog;
use crate::clock;
use crate::kernel::Messages;
use crate::log;
use crate::state::{AgentState, Ping};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// Batches of hooks ingested at once.
const BATCHES: usize = 16;
/// The engine is brought to the present at least this often: the wall clock may have been set.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// The engine is brought to the present at most this often, so that something that stays due cannot
/// take the whole processor.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// Once no batch has come for this long, nothing is left to catch up with.
const QUIET_AFTER: Duration = Duration::from_millis(100);
/// Batches ingested while catching up, at most.
const CATCH_UP_BATCHES: usize = 4_096;

/// Judges until the kernel side ends; returns the reason.
pub(super) async fn judge(
    state: Arc<AgentState>,
    mut messages: Messages,
    mut pings: mpsc::Receiver<Ping>,
) -> String {
    let mut flag_log = FlagLog::new(clock::now(), log::is_json());
    let mut incident_log = IncidentLog::default();
    let mut logged_event = 0;
    let mut batch = Vec::with_capacity(BATCHES);
    loop {
        if state.is_behind()
            && let Err(reason) = catch_up(&state, &mut messages).await
        {
            return reason;
        }
        let due_in = advance_to_now(&state);
        state.publish_events();
        logged_event = log_flags(&state, &mut flag_log, logged_event);
        announce_incidents(&state, &mut incident_log);
        tokio::select! {
            count = messages.take(&mut batch, BATCHES) => {
                if count == 0 {
                    return "the kernel side ended without a reason".to_owned();
                }
                if let Err(reason) = state.ingest(&mut batch) {
                    return reason;
                }
            }
            Some(ping) = pings.recv() => {
                // Whoever asked may have lost patience.
                let _ = ping.send(());
            }
            () = tokio::time::sleep(due_in) => {}
        }
    }
}

/// Ingests what waits, each record at its own time.
async fn catch_up(state: &AgentState, messages: &mut Messages) -> Result<(), String> {
    let mut batch = Vec::with_capacity(BATCHES);
    let mut ingested = 0;
    while state.is_behind() && ingested < CATCH_UP_BATCHES {
        let more = messages.take(&mut batch, BATCHES);
        match tokio::time::timeout(QUIET_AFTER, more).await {
            Ok(count) if count > 0 => ingested += count,
            // The end of the kernel side is found by whoever waits for it next.
            Ok(_) | Err(_) => return Ok(()),
        }
        state.ingest(&mut batch)?;
    }
    Ok(())
}

/// Brings the engine to the present; returns how long nothing more is due.
fn advance_to_now(state: &AgentState) -> Duration {
    let deadline = state.advance_to_now();
    let due_in = deadline.map_or(LONGEST_SLEEP, |moment| {
        Duration::from_nanos(moment.since_ns(clock::now()))
    });
    due_in.clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
}

/// Where a recorder is kept, it announces an incident once it is on the disk. Who holds TCP's memory is
/// looked at when one begins.
fn announce_incidents(state: &AgentState, incident_log: &mut IncidentLog) {
    let is_new = if state.recording.is_on() {
        incident_log.notices(&state.engine())
    } else {
        incident_log.log(&state.engine())
    };
    if is_new {
        state.recording.hurry();
        state.host.tcp_memory.wanted.notify_one();
    }
}

/// Logs the flags among the events after `logged`; returns the number of the newest event.
fn log_flags(state: &AgentState, flag_log: &mut FlagLog, logged: u64) -> u64 {
    let engine = state.engine();
    let now = clock::now();
    let mut not_logged = 0;
    for event in engine.events_after(logged) {
        not_logged += u64::from(flag_log.log(event, now));
    }
    flag_log.sum_up(now);
    state
        .counters
        .flags_not_logged
        .fetch_add(not_logged, Ordering::Relaxed);
    engine.last_event_id()
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::config::Config;
    use crate::kernel::{Message, messages};
    use crate::state::tests::{stalled, state};
    use detector_api::snapshot::EventType;
    use detector_core::observe::observation::Observation;
    use detector_core::time::{MonotonicTime, SECOND_NS};
    use std::sync::Arc;

    #[tokio::test]
    async fn the_reason_of_the_kernel_side_is_handed_on() {
        let (state, pings) = state(&Config::default());
        let (sinks, messages) = messages();
        sinks.hooks.send(Message::Refused(1)).await.unwrap();
        let reason = "waiting for kernel records failed".to_owned();
        let failed = Message::Failed(reason.clone());
        sinks.hooks.send(failed).await.unwrap();
        assert_eq!(judge(state, messages, pings).await, reason);
    }

    #[tokio::test]
    async fn a_kernel_side_that_vanishes_ends_judging() {
        let (state, pings) = state(&Config::default());
        let (sinks, messages) = messages();
        drop(sinks);
        let reason = judge(state, messages, pings).await;
        assert!(reason.contains("ended without a reason"), "{reason}");
    }

    /// The stall is over within the five seconds that make it one, but that is not read in time.
    #[tokio::test]
    async fn records_from_while_the_agent_stood_still_come_before_what_is_due() {
        const READS: &str = "198.51.100.7:40000";
        const STALLS: &str = "198.51.100.8:40001";
        let config = Config::default();
        let (state, pings) = state(&config);
        let now = stalled(READS, 0).at;
        let began = MonotonicTime::from_ns(now.as_ns() - 30 * SECOND_NS);
        let held = |remote| Observation {
            at: began,
            generation: Some(began),
            zero_window_since: Some(began),
            harmful_since: Some(began),
            ..stalled(remote, 0)
        };
        state.stand_still_since(began, &config);
        state.engine().observe(&held(READS));
        state.engine().observe(&held(STALLS));
        let (sinks, messages) = messages();
        let reads = Observation {
            at: MonotonicTime::from_ns(began.as_ns() + SECOND_NS),
            zero_window_since: None,
            harmful_since: None,
            snd_una: 4_000_001,
            snd_nxt: 4_000_001,
            bytes_acked: 5_000_000,
            pinned_bytes: 0,
            window_bytes: 65_535,
            ..held(READS)
        };
        let records = Message::Records(vec![reads]);
        sinks.sweep.send(records).await.unwrap();
        drop(sinks);
        judge(Arc::clone(&state), messages, pings).await;
        assert!(!state.is_behind());
        let engine = state.engine();
        let flags = engine
            .events_after(0)
            .filter(|event| event.event == EventType::Flag);
        let flagged: Vec<_> = flags.map(|event| event.peer.as_str()).collect();
        assert_eq!(flagged, ["198.51.100.8"]);
    }
}
