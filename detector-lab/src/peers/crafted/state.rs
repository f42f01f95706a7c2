//! What a crafted peer has sent and seen, and what it answers by itself.

use super::{Profile, Segment};
use std::net::SocketAddr;
use std::time::Instant;

/// What the peer does when a segment arrives and the script has not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing at all: it looks vanished.
    Silent,
    /// Repeats its last offer to each segment that asks for an answer (data, probe, FIN), and
    /// acknowledges nothing new. Keeps a stalled sender alive for ever.
    Hold,
    /// Acknowledges everything at once and takes nothing out of its buffer: the right edge stays
    /// where it is, the window closes as data comes, rounded down as scaling demands.
    StopReading {
        /// Right edge, in bytes of the server's data.
        edge: u32,
    },
    /// The same, but once less than `room` bytes are left before the edge it acknowledges nothing
    /// more: a window that stays open and into which no segment fits.
    StopShort {
        /// Right edge, in bytes of the server's data.
        edge: u32,
        /// Room that is kept.
        room: u32,
    },
    /// Acknowledges everything at once and offers this many bytes anew each time.
    Drain {
        /// Window of each ACK, bytes.
        window: u32,
    },
}

/// Counts of what the server sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes received in order since the handshake, acknowledged or not.
    pub bytes: u64,
    /// Segments with payload that had been seen before.
    pub retransmits: u64,
    /// Empty segments from below what was acknowledged: window and keep-alive probes.
    pub probes: u64,
    /// The server has sent FIN, in order.
    pub is_finished: bool,
    /// The server has sent RST.
    pub is_reset: bool,
}

/// What the peer said last: acknowledgement number and window field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) ack: u32,
    pub(super) raw_window: u16,
}

/// State of one peer: the variables of a connection as RFC 9293 has them (section 3.3.1).
#[derive(Debug)]
pub(super) struct State {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) profile: Profile,
    pub(super) policy: Policy,
    iss: u32,
    /// Next sequence number to send.
    pub(super) snd_nxt: u32,
    /// First sequence number of the server's data; `None` before its SYN.
    pub(super) data_begin: Option<u32>,
    /// Next sequence number expected in order.
    pub(super) rcv_nxt: u32,
    /// Highest sequence number seen plus one.
    highest: u32,
    pub(super) offer: Offer,
    /// When the offer last acknowledged something new.
    progress_at: Instant,
    pub(super) seen: Seen,
    /// The server's window scale.
    remote_shift: u8,
    /// What the server has acknowledged, and its right edge.
    pub(super) remote_ack: u32,
    pub(super) remote_edge: u32,
    /// Latest timestamp of the server, to be echoed.
    timestamp_to_echo: u32,
    clock: Instant,
}

fn is_after(a: u32, b: u32) -> bool {
    let distance = a.wrapping_sub(b);
    distance != 0 && distance < 1 << 31
}

impl State {
    pub(super) fn new(local: SocketAddr, remote: SocketAddr, profile: Profile, iss: u32) -> Self {
        Self {
            local,
            remote,
            profile,
            policy: Policy::Silent,
            iss,
            snd_nxt: iss,
            data_begin: None,
            rcv_nxt: 0,
            highest: 0,
            offer: Offer {
                ack: 0,
                raw_window: 0,
            },
            progress_at: Instant::now(),
            seen: Seen::default(),
            remote_shift: 0,
            remote_ack: iss,
            remote_edge: iss,
            timestamp_to_echo: 0,
            clock: Instant::now(),
        }
    }

    /// A segment from this peer with its next sequence number and timestamps.
    pub(super) fn blank(&self) -> Segment {
        let mut segment = Segment::new(self.local, self.remote, self.snd_nxt);
        if self.profile.has_timestamps {
            segment.timestamps = Some((self.timestamp(), self.timestamp_to_echo));
        }
        segment
    }

    /// The peer's own clock, in milliseconds, never 0.
    pub(super) fn timestamp(&self) -> u32 {
        let elapsed = self.clock.elapsed().as_millis() % (1 << 31);
        u32::try_from(elapsed).unwrap_or(u32::MAX) + 1
    }

    /// A segment that says the standing offer.
    pub(super) fn offer_segment(&self) -> Segment {
        let mut segment = self.blank();
        segment.ack = Some(self.offer.ack);
        segment.window = self.offer.raw_window;
        segment
    }

    /// Takes in a segment of the server and returns the answer the policy gives, if any.
    pub(super) fn receive(&mut self, segment: &Segment) -> Option<Segment> {
        if segment.is_rst {
            self.seen.is_reset = true;
            return None;
        }
        if let Some((value, _)) = segment.timestamps {
            self.timestamp_to_echo = value;
        }
        if segment.is_syn {
            self.data_begin = Some(segment.end_seq());
            let is_scaled = self.profile.shift.is_some();
            self.remote_shift = segment.shift.filter(|_| is_scaled).unwrap_or(0);
            self.rcv_nxt = segment.end_seq();
            self.highest = segment.end_seq();
            return segment.ack.is_none().then(|| self.accept(segment));
        }
        let data_begin = self.data_begin?;
        if let Some(ack) = segment.ack {
            self.remote_ack = ack;
            let window = u32::from(segment.window) << self.remote_shift;
            self.remote_edge = ack.wrapping_add(window);
        }
        self.count(segment, data_begin);
        let is_below = is_after(self.offer.ack, segment.seq);
        let asks = !segment.payload.is_empty() || segment.is_fin || is_below;
        self.answer(asks)
    }

    /// The SYN of this peer, with its window.
    pub(super) fn syn(&self) -> Segment {
        let mut syn = self.blank();
        syn.is_syn = true;
        syn.mss = Some(self.profile.mss);
        syn.shift = self.profile.shift;
        // Not scaled.
        syn.window = u16::try_from(self.profile.window).unwrap_or(u16::MAX);
        syn
    }

    /// Takes the connection that somebody opens, and answers the SYN.
    fn accept(&mut self, segment: &Segment) -> Segment {
        self.remote = segment.source;
        self.set_offer(Offer {
            ack: self.rcv_nxt,
            raw_window: self.raw_window(self.profile.window),
        });
        let mut answer = Segment {
            seq: self.iss,
            ack: Some(self.rcv_nxt),
            ..self.syn()
        };
        if segment.shift.is_none() {
            answer.shift = None;
        }
        self.snd_nxt = answer.end_seq();
        answer
    }

    fn count(&mut self, segment: &Segment, data_begin: u32) {
        let end = segment.end_seq();
        let has_content = !segment.payload.is_empty() || segment.is_fin;
        if has_content && !is_after(end, self.highest) {
            self.seen.retransmits += 1;
        } else if !has_content && is_after(self.offer.ack, segment.seq) {
            self.seen.probes += 1;
        }
        if is_after(end, self.highest) {
            self.highest = end;
        }
        // Nothing is lost or reordered on a TUN device, so in order is all there is.
        if has_content && is_after(end, self.rcv_nxt) && !is_after(segment.seq, self.rcv_nxt) {
            self.rcv_nxt = end;
            self.seen.is_finished |= segment.is_fin;
            let bytes = end.wrapping_sub(data_begin);
            self.seen.bytes = u64::from(bytes) - u64::from(self.seen.is_finished);
        }
    }

    fn answer(&mut self, asks: bool) -> Option<Segment> {
        match self.policy {
            Policy::Silent => None,
            Policy::Hold => asks.then(|| self.offer_segment()),
            Policy::StopReading { edge } => {
                self.acknowledge_all(edge.saturating_sub(self.received()));
                asks.then(|| self.offer_segment())
            }
            Policy::StopShort { edge, room } => {
                let acknowledged = self.offer.ack.wrapping_sub(self.begin());
                if edge.saturating_sub(acknowledged) >= room {
                    self.acknowledge_all(edge.saturating_sub(self.received()));
                }
                asks.then(|| self.offer_segment())
            }
            Policy::Drain { window } => {
                self.acknowledge_all(window);
                asks.then(|| self.offer_segment())
            }
        }
    }

    fn begin(&self) -> u32 {
        self.data_begin.unwrap_or(self.rcv_nxt)
    }

    /// Bytes received in order.
    fn received(&self) -> u32 {
        self.rcv_nxt.wrapping_sub(self.begin())
    }

    fn acknowledge_all(&mut self, window_bytes: u32) {
        self.set_offer(Offer {
            ack: self.rcv_nxt,
            raw_window: self.raw_window(window_bytes),
        });
    }

    /// Makes this the standing offer.
    pub(super) fn set_offer(&mut self, offer: Offer) {
        if offer.ack != self.offer.ack {
            self.progress_at = Instant::now();
        }
        self.offer = offer;
    }

    /// When the offer last acknowledged something new.
    pub(super) fn progress_at(&self) -> Instant {
        self.progress_at
    }

    /// The window field for `bytes`, rounded down, at most 65,535.
    pub(super) fn raw_window(&self, bytes: u32) -> u16 {
        u16::try_from(bytes >> self.profile.effective_shift()).unwrap_or(u16::MAX)
    }
}
