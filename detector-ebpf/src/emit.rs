//! Sends copies of a connection's record to the agent, at a bounded rate.

use crate::count::count;
use crate::globals;
use crate::maps::RECORDS;
use detector_common::counter::Counter;
use detector_common::record::{ConnectionRecord, Reason, flag};

/// Sends a copy unless the connection has used up its share of this rate window. What is not sent
/// stays marked, so that the next copy or the sweep carries its totals.
#[inline(always)]
pub fn emit(record: &mut ConnectionRecord, reason: Reason) {
    if !take_rate_token(record) {
        record.records_suppressed = record.records_suppressed.wrapping_add(1);
        record.flags |= flag::NOT_CARRIED;
        count(Counter::RecordsSuppressedRate);
        return;
    }
    send(record, reason);
}

/// Sends a copy whatever the rate. Returns whether the ring buffer took it.
#[inline(always)]
pub fn send(record: &mut ConnectionRecord, reason: Reason) -> bool {
    record.reason = reason as u8;
    record.flags &= !flag::NOT_CARRIED;
    if RECORDS.output::<ConnectionRecord>(&*record, 0).is_ok() {
        return true;
    }
    record.flags |= flag::NOT_CARRIED;
    record.records_suppressed = record.records_suppressed.wrapping_add(1);
    count(Counter::RecordsDroppedRingFull);
    false
}

#[inline(always)]
fn take_rate_token(record: &mut ConnectionRecord) -> bool {
    let window_age = record.time_ns.wrapping_sub(record.rate_window_start_ns);
    if window_age >= globals::rate_window_ns() {
        record.rate_window_start_ns = record.time_ns;
        record.rate_window_records = 0;
    }
    if u32::from(record.rate_window_records) >= globals::rate_records() {
        return false;
    }
    record.rate_window_records += 1;
    true
}
