//! The state table: entries found, made, reused and given up.

use super::{retransmit, snapshot};
use crate::attention;
use crate::count::{count, count_and_log};
use crate::maps::CONNECTIONS;
use crate::record_pointer::{EMPTY, RecordPointer};
use crate::socket::TcpSocket;
use detector_common::counter::Counter;
use detector_common::record::flag;

const BPF_NOEXIST: u64 = 1;
/// `-E2BIG`: the table is full.
const E2BIG: i32 = -7;

/// State of this connection, if there is any. An entry that only waits to be collected belongs to
/// an earlier socket.
#[inline(always)]
pub fn find(tcp: TcpSocket) -> Option<RecordPointer<'static>> {
    let record = RecordPointer::in_table(tcp.key())?;
    if record.has(flag::CLOSED) {
        None
    } else {
        Some(record)
    }
}

/// State of this connection, made if there is none, for something to be written down that the next pass
/// carries if nothing else does. `None` if the table refuses: counted.
#[inline(always)]
pub fn find_or_create(tcp: TcpSocket, now_ns: u64) -> Option<RecordPointer<'static>> {
    attention::note(tcp);
    if let Some(record) = RecordPointer::in_table(tcp.key()) {
        if record.has(flag::CLOSED) {
            reopen(&record, tcp, now_ns);
        }
        return Some(record);
    }
    create(tcp, now_ns)
}

#[inline(always)]
#[allow(
    clippy::needless_borrows_for_generic_args,
    reason = "by value it would be copied to the stack"
)]
fn create(tcp: TcpSocket, now_ns: u64) -> Option<RecordPointer<'static>> {
    // Empty at first, and filled in where it lies: on the stack it would take most of the 512 bytes
    // that all calls share. The agent reads no entry that is not closed.
    match CONNECTIONS.insert(tcp.key(), &EMPTY, BPF_NOEXIST) {
        Ok(()) => {}
        Err(E2BIG) => {
            count_and_log!(
                ConnectionsRefusedTableFull,
                "a connection gets no state: the table is full"
            );
            return None;
        }
        Err(error) => {
            count_and_log!(
                ConnectionsRefusedMapError,
                "a connection gets no state: the table refused with error {}",
                error: i32
            );
            return None;
        }
    }
    count(Counter::ConnectionsMade);
    let record = RecordPointer::in_table(tcp.key())?;
    snapshot::identify(&record, tcp);
    snapshot::note_way(&record, tcp);
    retransmit::begin(&record, tcp);
    record.generation_ns().set(now_ns);
    Some(record)
}

/// A new socket has the key of one whose last record still waits to be collected. Of the same two
/// ends, totals go on, so that nothing is lost; everything else starts anew. Of other ends (the key
/// holds only a part of them), the earlier totals would be booked to the wrong peer: they are given
/// up and counted.
#[inline(always)]
fn reopen(record: &RecordPointer<'_>, tcp: TcpSocket, now_ns: u64) {
    let (local_address, remote_address) = tcp.addresses();
    let (local_port, _) = tcp.ports();
    retransmit::begin(record, tcp);
    let is_same = record.local_address().get() == local_address
        && record.remote_address().get() == remote_address
        && record.local_port().get() == local_port
        && record.netns().get() == tcp.netns();
    if !is_same {
        count_and_log!(
            ClosedRecordsReplaced,
            "a closed connection's record is given up: another socket has its key"
        );
        record.zero();
        snapshot::identify(record, tcp);
        snapshot::note_way(record, tcp);
        record.generation_ns().set(now_ns);
        return;
    }
    record.flags().set(flag::NOT_CARRIED);
    snapshot::note_way(record, tcp);
    record.zero_window_since_ns().set(0);
    record.harmful_since_ns().set(0);
    record.inode().set(0);
}

/// Forgets a connection whose last record has been sent. Takes the pointer away: the entry may be
/// another connection's at once.
#[inline(always)]
pub fn forget(tcp: TcpSocket, _record: RecordPointer<'static>) {
    if CONNECTIONS.remove(tcp.key()).is_ok() {
        count(Counter::ConnectionsForgotten);
    }
}
