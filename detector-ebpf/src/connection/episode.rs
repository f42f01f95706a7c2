//! The zero-window episode: when it starts, goes on and ends, and how long it did harm.

use crate::record_pointer::RecordPointer;
use detector_common::record::flag;
use detector_common::window;

/// Starts, goes on with or ends the zero-window episode. Returns whether it started or ended.
#[inline(always)]
pub fn follow(record: &RecordPointer<'_>, now_ns: u64) -> bool {
    let (snd_una, write_seq) = (record.snd_una().get(), record.write_seq().get());
    let window_bytes = record.snd_wnd_bytes().get();
    let has_data = window::span_bytes(snd_una, write_seq) > 0;
    if !record.has(flag::ZERO_WINDOW) {
        if window_bytes != 0 {
            return false;
        }
        record.raise(flag::ZERO_WINDOW);
        record.zero_window_episodes().add(1);
        record.zero_window_since_ns().set(now_ns);
        record
            .harmful_since_ns()
            .set(if has_data { now_ns } else { 0 });
        return true;
    }
    let mss_bytes = record.mss_bytes().get();
    if !window::episode_continues(snd_una, window_bytes, write_seq, mss_bytes) {
        end(record, now_ns);
        return true;
    }
    if has_data && record.harmful_since_ns().get() == 0 {
        record.harmful_since_ns().set(now_ns);
    } else if !has_data {
        bank_harmful_time(record, now_ns);
    }
    false
}

/// Ends the episode and adds its harmful time to the total.
#[inline(always)]
pub fn end(record: &RecordPointer<'_>, now_ns: u64) {
    bank_harmful_time(record, now_ns);
    record.zero_window_since_ns().set(0);
    record.lower(flag::ZERO_WINDOW);
}

#[inline(always)]
fn bank_harmful_time(record: &RecordPointer<'_>, now_ns: u64) {
    let since_ns = record.harmful_since_ns().get();
    if since_ns != 0 {
        let harmful_ns = now_ns.saturating_sub(since_ns);
        let total_ns = record.zero_window_ns().get();
        record
            .zero_window_ns()
            .set(total_ns.wrapping_add(harmful_ns));
        record.harmful_since_ns().set(0);
        record.raise(flag::NOT_CARRIED);
    }
}
