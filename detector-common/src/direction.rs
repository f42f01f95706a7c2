//! Who opened a connection, as far as its socket's own counts say, and what was noted when it came up.

use crate::record::flag;
use bytemuck::{Pod, Zeroable};

/// What is noted of a connection that leaves SYN-SENT, under a key that a later socket may have again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Opened {
    /// [`Counts::first_acked`]: which connection it is.
    pub first_acked: u32,
    /// Whether a handshake proves that we opened it: 1. Else a program has put the socket in its place
    /// (`TCP_REPAIR`), and may have moved a connection here that was accepted elsewhere.
    pub is_proven: u32,
}

/// What a socket counts of its sending side.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// First sequence number that is not acknowledged.
    pub snd_una: u32,
    /// First that was not sent.
    pub snd_nxt: u32,
    /// All that was acknowledged, SYN and FIN too; the low 32 bits.
    pub bytes_acked: u32,
    /// Payload sent for the first time, the low 32 bits; `None` where the kernel does not count it.
    pub first_sent_bytes: Option<u32>,
    /// Whether our FIN was sent: it is no payload.
    pub has_sent_fin: bool,
}

impl Counts {
    /// First sequence number that was acknowledged or is to be: it stays for the life of a connection, and the
    /// next one of the same two ends has another.
    #[inline(always)]
    #[must_use]
    pub const fn first_acked(&self) -> u32 {
        self.snd_una.wrapping_sub(self.bytes_acked)
    }

    /// What is to be noted of a connection that leaves SYN-SENT, which comes up if it `is_established`: then the
    /// handshake has acknowledged our SYN.
    #[inline(always)]
    #[must_use]
    pub const fn note(&self, is_established: bool) -> Opened {
        let is_proven = !is_established || self.bytes_acked != 0;
        Opened {
            first_acked: self.first_acked(),
            is_proven: is_proven as u32,
        }
    }

    /// [`flag::INBOUND`], [`flag::OUTBOUND`] or 0. A note of another connection counts for nothing.
    #[inline(always)]
    #[must_use]
    pub fn direction(&self, noted: Option<Opened>) -> u16 {
        match noted {
            Some(noted) if noted.first_acked == self.first_acked() => match noted.is_proven {
                0 => 0,
                _ => flag::OUTBOUND,
            },
            _ => self.by_themselves(),
        }
    }

    /// The same without a note: how far the first byte that was sent lies from the first number acknowledged.
    #[inline(always)]
    #[must_use]
    pub fn by_themselves(&self) -> u16 {
        let Some(sent) = self.first_sent_bytes else {
            return 0;
        };
        let fin = u32::from(self.has_sent_fin);
        let first_byte = self.snd_nxt.wrapping_sub(sent).wrapping_sub(fin);
        match first_byte.wrapping_sub(self.first_acked()) {
            0 => flag::INBOUND,
            1 => flag::OUTBOUND,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Opened};
    use crate::record::flag;

    const SYN: u32 = u32::MAX - 100;

    /// A connection that began with this number and has had so many bytes of 5,000 acknowledged.
    fn counts(first: u32, is_ours: bool, acked: u32) -> Counts {
        let syn = u32::from(is_ours);
        Counts {
            snd_una: first.wrapping_add(syn + acked),
            snd_nxt: first.wrapping_add(syn + 5_000),
            bytes_acked: syn + acked,
            first_sent_bytes: Some(5_000),
            has_sent_fin: false,
        }
    }

    /// As it comes up.
    fn note(first: u32) -> Opened {
        let fresh = Counts {
            snd_nxt: first.wrapping_add(1),
            first_sent_bytes: Some(0),
            ..counts(first, true, 0)
        };
        fresh.note(true)
    }

    #[test]
    fn counts_tell_who_opened_it() {
        for acked in [0, 1, 4_999, 5_000] {
            assert_eq!(counts(SYN, false, acked).direction(None), flag::INBOUND);
            assert_eq!(counts(SYN, true, acked).direction(None), flag::OUTBOUND);
            let closing = Counts {
                snd_nxt: SYN.wrapping_add(5_002),
                has_sent_fin: true,
                ..counts(SYN, true, acked)
            };
            assert_eq!(closing.direction(None), flag::OUTBOUND);
        }
        let uncounted = Counts {
            first_sent_bytes: None,
            ..counts(SYN, true, 0)
        };
        assert_eq!(uncounted.direction(None), 0);
        assert_eq!(uncounted.direction(Some(note(SYN))), flag::OUTBOUND);
    }

    #[test]
    fn a_note_holds_where_this_host_refused_a_send() {
        // A single byte makes the counts those of a connection that was accepted.
        for (refused, by_counts) in [(1, flag::INBOUND), (1_448, 0)] {
            let refused = Counts {
                first_sent_bytes: Some(5_000 + refused),
                ..counts(SYN, true, 700)
            };
            assert_eq!(refused.direction(None), by_counts);
            assert_eq!(refused.direction(Some(note(SYN))), flag::OUTBOUND);
        }
    }

    #[test]
    fn a_note_of_an_earlier_socket_counts_for_nothing() {
        let stale = Some(note(SYN.wrapping_add(7_777)));
        assert_eq!(counts(SYN, false, 700).direction(stale), flag::INBOUND);
        assert_eq!(counts(SYN, true, 700).direction(stale), flag::OUTBOUND);
        let unknown = Counts {
            first_sent_bytes: None,
            ..counts(SYN, false, 700)
        };
        assert_eq!(unknown.direction(stale), 0, "listeners are to tell");
    }

    #[test]
    fn who_opened_what_a_program_has_put_in_place_is_not_known() {
        let placed = counts(SYN, false, 0);
        let noted = placed.note(true);
        assert_eq!(noted.is_proven, 0);
        assert_eq!(placed.direction(Some(noted)), 0);
        assert_eq!(counts(SYN, false, 900).direction(Some(noted)), 0);
        let both_at_once = placed.note(false);
        assert_eq!(both_at_once.is_proven, 1, "our SYN is not acknowledged yet");
    }
}
