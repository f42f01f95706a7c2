//! Segments sent again: booked by cause, and what the kernel found out about them since.
//!
//! That one was needless shows a round trip later, in one of two ways. The peer reports what it
//! received twice (DSACK, RFC 2883), which `tcp_sock.dsack_dups` counts. Or the kernel takes a whole
//! recovery back (Eifel, F-RTO, DSACK), which it counts by namespace only: of a socket,
//! `undo_marker` goes to 0 (`tcp_undo_cwnd_reduction`) while `prior_ssthresh` stays. Elsewhere the
//! marker goes to 0 together with that (`tcp_enter_cwr`, path MTU).

use crate::record_pointer::RecordPointer;
use crate::socket::TcpSocket;
use detector_common::record::flag;
use detector_common::retransmit::Cause;

/// Books a buffer of `segments` that begins at `seq` to a refreshed record.
#[inline(always)]
pub fn book(record: &RecordPointer<'_>, tcp: TcpSocket, cause: Cause, seq: u32, segments: u32) {
    if let Some(total) = record.retransmits().element(cause as usize) {
        total.add(segments);
    }
    let unanswered = record.retransmits_unanswered().get();
    record
        .retransmits_unanswered()
        .set(unanswered.saturating_add(segments));
    record.raise(flag::NOT_CARRIED);
    if !matches!(cause, Cause::Loss) {
        return;
    }
    if seq == tcp.snd_una() {
        let head = record.head_retransmits().get();
        record.head_retransmits().set(head.saturating_add(1));
    }
    let marker = tcp.undo_marker();
    if marker != 0 {
        record.undo_marker().set(marker);
        record.undo_segments().add(segments);
    }
}

/// Takes the socket's counts as they are as those from which to count.
#[inline(always)]
pub fn begin(record: &RecordPointer<'_>, tcp: TcpSocket) {
    record.dsack_dups().set(tcp.dsack_dups());
    record.undo_marker().set(0);
    record.undo_segments().set(0);
}

/// Takes over what the kernel has found out since the record was last looked at.
#[inline(always)]
pub fn refresh(record: &RecordPointer<'_>, tcp: TcpSocket) {
    let snd_una = tcp.snd_una();
    if record.head_snd_una().get() != snd_una {
        record.head_snd_una().set(snd_una);
        record.head_retransmits().set(0);
    }
    let (before, now) = (record.dsack_dups().get(), tcp.dsack_dups());
    if before != now {
        record.dsack_dups().set(now);
        record.duplicates_reported().add(now.wrapping_sub(before));
        record.raise(flag::NOT_CARRIED);
    }
    note_undo(record, tcp);
}

#[inline(always)]
fn note_undo(record: &RecordPointer<'_>, tcp: TcpSocket) {
    let (before, now) = (record.undo_marker().get(), tcp.undo_marker());
    if before == now {
        return;
    }
    if now == 0 && tcp.prior_ssthresh() != 0 {
        let segments = record.undo_segments().get();
        record.retransmits_undone().add(segments);
        record.raise(flag::NOT_CARRIED);
    }
    record.undo_marker().set(0);
    record.undo_segments().set(0);
}
