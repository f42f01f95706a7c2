//! A connection's record where it lies: in the state table, or on a program's own stack.
//!
//! Map memory is the kernel's: the agent copies it out with a system call, and before 5.15 a hook
//! may change an entry while the sweep reads it. A Rust reference would promise that nobody else
//! does, so none is ever formed; each access copies one field in or out.
//!
//! In: keys, or a borrowed record. Out: copies of fields. Never: the pointer itself, but to a helper
//! call.

use crate::maps::CONNECTIONS;
use bytemuck::{Pod, Zeroable};
use core::cell::Cell;
use core::marker::PhantomData;
use detector_common::record::{ConnectionKey, ConnectionRecord};
use detector_common::retransmit::Cause;

/// A record that says nothing, in read-only memory.
// SAFETY: a record is plain bytes, of which zero is a value.
pub static EMPTY: ConnectionRecord = unsafe { core::mem::zeroed() };

/// A pointer to a record. It cannot be copied, so that what gives up an entry can take it away.
pub struct RecordPointer<'a> {
    record: *mut ConnectionRecord,
    lender: PhantomData<&'a Cell<ConnectionRecord>>,
}

macro_rules! fields {
    ($($name:ident: $type:ty;)+) => {
        $(#[allow(missing_docs, reason = "the fields of `ConnectionRecord`")]
        #[inline(always)]
        pub fn $name(&self) -> Field<'_, $type> {
            Field {
                // SAFETY: the record lies within one map value or one borrowed record: those are the
                // only two that this type is made of.
                value: unsafe { &raw mut (*self.record).$name },
                lender: PhantomData,
            }
        })+
    };
}

impl RecordPointer<'static> {
    /// The entry of the state table with that key, valid as long as the program runs.
    #[inline(always)]
    pub fn in_table(key: ConnectionKey) -> Option<Self> {
        Some(Self {
            record: CONNECTIONS.get_ptr_mut(key)?,
            lender: PhantomData,
        })
    }
}

impl<'a> RecordPointer<'a> {
    /// A record that is no entry.
    #[inline(always)]
    pub fn to(record: &'a mut ConnectionRecord) -> Self {
        Self {
            record,
            lender: PhantomData,
        }
    }

    fields! {
        time_ns: u64;
        socket: u64;
        generation_ns: u64;
        zero_window_since_ns: u64;
        harmful_since_ns: u64;
        zero_window_ns: u64;
        bytes_acked: u64;
        inode: u64;
        rate_window_start_ns: u64;
        local_address: [u8; 16];
        remote_address: [u8; 16];
        shrinks: [u32; 3];
        granularity_retreats: u32;
        ambiguous_windows: u32;
        ignored_segments: u32;
        zero_window_episodes: u32;
        retransmits: [u32; Cause::COUNT];
        duplicates_reported: u32;
        retransmits_undone: u32;
        retracted_max_bytes: u32;
        records_suppressed: u32;
        edge_max: u32;
        last_edge: u32;
        snd_una: u32;
        snd_nxt: u32;
        write_seq: u32;
        snd_wnd_bytes: u32;
        max_window_bytes: u32;
        mss_bytes: u32;
        snd_cwnd_segments: u32;
        packets_out_segments: u32;
        wmem_queued_bytes: u32;
        srtt_us: u32;
        netns: u32;
        retransmits_unanswered: u32;
        last_ack_jiffies: u32;
        head_retransmits: u32;
        head_snd_una: u32;
        dsack_dups: u32;
        undo_marker: u32;
        undo_segments: u32;
        local_port: u16;
        remote_port: u16;
        flags: u16;
        rate_window_records: u16;
        tcp_state: u8;
        window_shift: u8;
        congestion_state: u8;
        pending_timer: u8;
        backoff: u8;
        timeouts: u8;
        probes_unanswered: u8;
        reason: u8;
    }

    /// The record's address, for a helper that copies it.
    #[inline(always)]
    pub fn as_ptr(&self) -> *const ConnectionRecord {
        self.record.cast_const()
    }

    /// Sets every field to zero.
    #[inline(always)]
    pub fn zero(&self) {
        // SAFETY: as in `Field::set`, for the record as a whole.
        unsafe { self.record.write(ConnectionRecord::zeroed()) }
    }

    /// Whether any of these flags is set.
    #[inline(always)]
    pub fn has(&self, flags: u16) -> bool {
        self.flags().get() & flags != 0
    }

    /// Sets these flags.
    #[inline(always)]
    pub fn raise(&self, flags: u16) {
        self.flags().set(self.flags().get() | flags);
    }

    /// Takes these flags away.
    #[inline(always)]
    pub fn lower(&self, flags: u16) {
        self.flags().set(self.flags().get() & !flags);
    }

    /// Sets these flags or takes them away.
    #[inline(always)]
    pub fn put(&self, flags: u16, is_set: bool) {
        if is_set {
            self.raise(flags);
        } else {
            self.lower(flags);
        }
    }
}

/// One field of a record, where it lies.
pub struct Field<'a, T> {
    value: *mut T,
    lender: PhantomData<&'a Cell<T>>,
}

impl<T: Pod> Field<'_, T> {
    /// A copy of it.
    #[inline(always)]
    pub fn get(&self) -> T {
        // SAFETY: a field of a record, so aligned and, being plain bytes, always a value; the kernel
        // keeps a map value while the program runs, and the verifier checks that the load lies
        // within it (`check_map_access`) or within the stack (`check_stack_access_within_bounds`).
        unsafe { self.value.read() }
    }

    /// Writes it.
    #[inline(always)]
    pub fn set(&self, value: T) {
        // SAFETY: as in `get`. The socket lock keeps other programs away from the entry (before 5.15
        // it does not keep the sweep away: see `sweep` for what it leaves to the hooks there).
        unsafe { self.value.write(value) }
    }
}

impl<'a, T: Pod, const COUNT: usize> Field<'a, [T; COUNT]> {
    /// One of its elements, if it has so many.
    #[inline(always)]
    pub fn element(&self, index: usize) -> Option<Field<'a, T>> {
        if index >= COUNT {
            return None;
        }
        Some(Field {
            value: self.value.cast::<T>().wrapping_add(index),
            lender: PhantomData,
        })
    }
}

impl Field<'_, u32> {
    /// Adds to a total.
    #[inline(always)]
    pub fn add(&self, amount: u32) {
        self.set(self.get().wrapping_add(amount));
    }
}
