//! Sends copies of a connection's record to the agent, at a bounded rate.

use crate::attention;
use crate::count::{count, count_and_log};
use crate::globals;
use crate::helpers;
use crate::record_pointer::RecordPointer;
use detector_common::counter::Counter;
use detector_common::record::{Reason, flag};

/// Sends a copy unless the connection has used up its share of this rate window. What is not sent
/// stays marked, so that the next copy or the sweep carries its totals.
#[inline(always)]
pub fn emit(record: &RecordPointer<'_>, reason: Reason) {
    attention::note_namespace(record.netns().get());
    if !take_rate_token(record) {
        record.records_suppressed().add(1);
        record.raise(flag::NOT_CARRIED);
        count(Counter::RecordsSuppressedRate);
        return;
    }
    send(record, reason);
}

/// Sends a copy whatever the rate. Returns whether the ring buffer took it.
#[inline(always)]
pub fn send(record: &RecordPointer<'_>, reason: Reason) -> bool {
    record.reason().set(reason as u8);
    record.lower(flag::NOT_CARRIED);
    if helpers::send_record(record) {
        return true;
    }
    record.raise(flag::NOT_CARRIED);
    attention::note_namespace(record.netns().get());
    record.records_suppressed().add(1);
    count_and_log!(
        RecordsDroppedRingFull,
        "a record is held back: the ring buffer is full"
    );
    false
}

#[inline(always)]
fn take_rate_token(record: &RecordPointer<'_>) -> bool {
    let now_ns = record.time_ns().get();
    let window_age = now_ns.wrapping_sub(record.rate_window_start_ns().get());
    if window_age >= globals::rate_window_ns() {
        record.rate_window_start_ns().set(now_ns);
        record.rate_window_records().set(0);
    }
    let sent = record.rate_window_records().get();
    if u32::from(sent) >= globals::rate_records() {
        return false;
    }
    record.rate_window_records().set(sent.wrapping_add(1));
    true
}
