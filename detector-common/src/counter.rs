//! Per-CPU counters of everything the kernel side can lose, refuse or not keep per connection.

/// Index into the per-CPU counter array, and the exported label of each.
///
/// Counters only ever grow while the programs are loaded; the agent sums them over all CPUs.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// A record was not sent because the ring buffer was full. Its totals travel with the next one.
    RecordsDroppedRingFull,
    /// A record was held back by the per-connection rate bound. Its totals travel with the next one.
    RecordsSuppressedRate,
    /// The last record of a closed connection was given up for a new connection with the same key.
    ClosedRecordsReplaced,
    /// A sweep row did not fit the iterator's buffer and was left out.
    SweepRowsDropped,
    /// A misbehaving connection got no state because the table was full.
    ConnectionsRefusedTableFull,
    /// An update of the state table failed for another reason.
    ConnectionsRefusedMapError,
    /// Reading the TCP header of a segment failed.
    HeaderReadsFailed,
    /// Reading the timestamp option of a segment failed; what becomes of it is looked for later.
    OptionReadsFailed,
    /// A segment's window was not counted, because what became of the segment could not be told.
    WindowsUnproven,
    /// Reading the socket's inode number failed; the record carries inode 0.
    InodeReadsFailed,
    /// A tracepoint handed over a socket that is no full TCP socket.
    SocketsNotTcp,
    /// A listener or a connection that we opened was not noted: the table refused.
    DirectionsNotNoted,
    /// The end of a connection is not in the history of its address: the table refused.
    HistoryNotKept,
    /// A process that the OOM killer has chosen was not told: its ring buffer was full.
    VictimsDropped,
    /// A sweep was shown a socket. Not a loss: the measure of a sweep.
    SocketsSwept,
    /// State was made for a connection. With the next: how full the table is.
    ConnectionsMade,
    /// State was removed by the kernel side, its last record sent.
    ConnectionsForgotten,
    /// The right edge of an MPTCP subflow moved left. Not a loss: a measure.
    SubflowRetreats,
    /// Without connection state: a window shrink with all data already acknowledged or still inside.
    UntrackedShrinksPolite,
    /// Without connection state: a shrink below data in flight, to a window above zero.
    UntrackedShrinksBelowFlight,
    /// Without connection state: a shrink to zero with data in flight.
    UntrackedShrinksTreason,
    /// Without connection state: an entry into zero window.
    UntrackedZeroWindows,
    /// Without connection state: a segment sent again as lost.
    UntrackedRetransmitsLoss,
    /// Without connection state: a segment sent again by the loss-probe timer.
    UntrackedRetransmitsTailProbe,
    /// Without connection state: a retransmit while the window was zero.
    UntrackedRetransmitsWindowProbe,
}

impl Counter {
    /// All counters in index order.
    pub const ALL: [Self; 25] = [
        Self::RecordsDroppedRingFull,
        Self::RecordsSuppressedRate,
        Self::ClosedRecordsReplaced,
        Self::SweepRowsDropped,
        Self::ConnectionsRefusedTableFull,
        Self::ConnectionsRefusedMapError,
        Self::HeaderReadsFailed,
        Self::OptionReadsFailed,
        Self::WindowsUnproven,
        Self::InodeReadsFailed,
        Self::SocketsNotTcp,
        Self::DirectionsNotNoted,
        Self::HistoryNotKept,
        Self::VictimsDropped,
        Self::SocketsSwept,
        Self::ConnectionsMade,
        Self::ConnectionsForgotten,
        Self::SubflowRetreats,
        Self::UntrackedShrinksPolite,
        Self::UntrackedShrinksBelowFlight,
        Self::UntrackedShrinksTreason,
        Self::UntrackedZeroWindows,
        Self::UntrackedRetransmitsLoss,
        Self::UntrackedRetransmitsTailProbe,
        Self::UntrackedRetransmitsWindowProbe,
    ];

    /// How many counters there are: the size of the per-CPU array.
    #[allow(clippy::cast_possible_truncation, reason = "25 fits u32")]
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// Name in `snake_case`, used as the `stage` label of `detector_records_lost_total`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::RecordsDroppedRingFull => "ring_full",
            Self::RecordsSuppressedRate => "rate_bound",
            Self::ClosedRecordsReplaced => "closed_replaced",
            Self::SweepRowsDropped => "sweep_row",
            Self::ConnectionsRefusedTableFull => "table_full",
            Self::ConnectionsRefusedMapError => "map_error",
            Self::HeaderReadsFailed => "header_read",
            Self::OptionReadsFailed => "option_read",
            Self::WindowsUnproven => "window_unproven",
            Self::InodeReadsFailed => "inode_read",
            Self::SocketsNotTcp => "not_tcp",
            Self::DirectionsNotNoted => "direction",
            Self::HistoryNotKept => "history",
            Self::VictimsDropped => "victim",
            Self::SocketsSwept => "sockets_swept",
            Self::ConnectionsMade => "connections_made",
            Self::ConnectionsForgotten => "connections_forgotten",
            Self::SubflowRetreats => "subflow_retreats",
            Self::UntrackedShrinksPolite => "untracked_shrink_polite",
            Self::UntrackedShrinksBelowFlight => "untracked_shrink_below_flight",
            Self::UntrackedShrinksTreason => "untracked_shrink_treason",
            Self::UntrackedZeroWindows => "untracked_zero_window",
            Self::UntrackedRetransmitsLoss => "untracked_retransmit_loss",
            Self::UntrackedRetransmitsTailProbe => "untracked_retransmit_tail_probe",
            Self::UntrackedRetransmitsWindowProbe => "untracked_retransmit_window_probe",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counter;

    #[test]
    fn all_lists_every_counter_at_its_own_index() {
        for (index, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, index);
        }
    }
}
