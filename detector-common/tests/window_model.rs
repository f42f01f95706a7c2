//! The window arithmetic against a plain, slow model.
//!
//! The model is written from the text of RFC 9293 and RFC 7323 (and where Linux is laxer, from
//! what it documents), on sequence numbers that never wrap. The arithmetic under test sees the
//! same numbers cut to 32 bits.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use detector_common::window::{
    Acceptance, Retreat, Segment, Sender, acceptance, edge, episode_continues, is_after, is_passed,
    later, retracted_bytes, retreat,
};
use proptest::prelude::*;

/// Cuts a sequence number that never wraps to the 32 bits on the wire.
fn wire(number: i128) -> u32 {
    u32::try_from(number.rem_euclid(1 << 32)).unwrap()
}

/// Sequence numbers that matter: anywhere, and around the wrap.
fn start() -> impl Strategy<Value = i128> {
    prop_oneof![
        (0i128..1 << 32),
        (-70_000i128..70_000).prop_map(|near| (1 << 32) + near),
        (-70_000i128..70_000).prop_map(|near| (1 << 31) + near),
    ]
}

/// Distances that matter: few bytes, around the rounding bounds, up to the largest window.
fn distance() -> impl Strategy<Value = i128> {
    prop_oneof![
        0i128..4,
        1_440i128..1_460,
        (0u8..=14, -2i128..3).prop_map(|(shift, near)| ((1i128 << shift) + near).max(0)),
        0i128..=(65_535 << 14),
    ]
}

fn signed(distance: impl Strategy<Value = i128>) -> impl Strategy<Value = i128> {
    (distance, any::<bool>())
        .prop_map(|(distance, is_back)| if is_back { -distance } else { distance })
}

/// A sender and a segment on sequence numbers that never wrap.
#[derive(Clone, Debug)]
struct Case {
    snd_una: i128,
    snd_nxt: i128,
    snd_wnd: i128,
    snd_wl1: i128,
    rcv_nxt: i128,
    rcv_wup: i128,
    rcv_wnd: i128,
    ts_recent: i128,
    seq: i128,
    length: i128,
    ack: i128,
    window: i128,
    timestamp: Option<i128>,
}

prop_compose! {
    fn case()(
        snd_una in start(),
        in_flight in distance(),
        snd_wnd in distance(),
        rcv_wup in start(),
        received in 0i128..200_000,
        rcv_wnd in distance(),
        wl1_back in 0i128..3_000,
        ts_recent in 1i128..(1 << 32),
        seq_offset in prop_oneof![Just(None), signed(distance()).prop_map(Some)],
        length in prop_oneof![Just(0i128), 1i128..1_460],
        ack_offset in prop_oneof![Just(0i128), signed(distance())],
        window in prop_oneof![Just(None), distance().prop_map(Some)],
        ts_offset in prop::option::of(prop_oneof![-3i128..4, -100_000i128..100_000]),
    ) -> Case {
        let rcv_nxt = rcv_wup + received;
        let snd_wl1 = rcv_nxt - wl1_back;
        Case {
            snd_una,
            snd_nxt: snd_una + in_flight,
            snd_wnd,
            snd_wl1,
            rcv_nxt,
            rcv_wup,
            rcv_wnd,
            ts_recent,
            seq: seq_offset.map_or(snd_wl1, |offset| rcv_nxt + offset),
            length,
            ack: snd_una + ack_offset,
            window: window.unwrap_or(snd_wnd),
            timestamp: ts_offset.map(|offset| ts_recent + offset),
        }
    }
}

impl Case {
    fn on_the_wire(&self) -> (Sender, Segment) {
        let sender = Sender {
            snd_una: wire(self.snd_una),
            snd_nxt: wire(self.snd_nxt),
            snd_wnd: wire(self.snd_wnd),
            snd_wl1: wire(self.snd_wl1),
            rcv_nxt: wire(self.rcv_nxt),
            rcv_wup: wire(self.rcv_wup),
            rcv_wnd: wire(self.rcv_wnd),
            ts_recent: wire(self.ts_recent),
        };
        let segment = Segment {
            seq: wire(self.seq),
            end_seq: wire(self.seq + self.length),
            ack: wire(self.ack),
            window: wire(self.window),
            timestamp: self.timestamp.map(wire),
        };
        (sender, segment)
    }

    /// RFC 9293 section 3.10.7.4 with Linux's `tcp_sequence()`, which lets in what touches the
    /// window that was last announced; RFC 7323 section 5.3 (PAWS) with Linux's one tick.
    fn model(&self) -> Acceptance {
        let announced_end = self.rcv_wup + self.rcv_wnd;
        let window_end = announced_end.max(self.rcv_nxt);
        let is_in_window = self.seq + self.length >= self.rcv_wup && self.seq <= window_end;
        let acknowledges_unsent = self.ack > self.snd_nxt;
        let is_from_the_past = self
            .timestamp
            .is_some_and(|value| value < self.ts_recent - 1);
        if !is_in_window || acknowledges_unsent || is_from_the_past {
            return Acceptance::Ignored;
        }
        let is_old =
            self.ack < self.snd_una || (self.ack == self.snd_una && self.seq < self.snd_wl1);
        if is_old {
            return Acceptance::Stale;
        }
        let is_progress = self.ack > self.snd_una || self.seq > self.snd_wl1;
        let is_later = self.timestamp.is_some_and(|value| value > self.ts_recent);
        match self.window.cmp(&self.snd_wnd) {
            _ if is_progress => Acceptance::Taken,
            std::cmp::Ordering::Greater => Acceptance::Taken,
            _ if self.window == 0 => Acceptance::Taken,
            std::cmp::Ordering::Equal => Acceptance::Stale,
            std::cmp::Ordering::Less if is_later => Acceptance::Taken,
            std::cmp::Ordering::Less => Acceptance::Ambiguous,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn order_survives_the_wrap(a in start(), offset in signed(distance())) {
        let b = a + offset;
        prop_assert_eq!(is_after(wire(a), wire(b)), a > b);
        prop_assert_eq!(later(wire(a), wire(b)), wire(a.max(b)));
    }

    #[test]
    fn the_model_decides_alike_which_segment_counts(case in case()) {
        // A timestamp clock that passes 0 shows nothing for one tick.
        prop_assume!(wire(case.ts_recent) != 0);
        let (sender, segment) = case.on_the_wire();
        prop_assert_eq!(acceptance(&sender, &segment), case.model());
    }

    #[test]
    fn without_an_agreed_timestamp_the_option_says_nothing(case in case(), value in any::<u32>()) {
        let (sender, segment) = case.on_the_wire();
        let sender = Sender { ts_recent: 0, ..sender };
        let bare = Segment { timestamp: None, ..segment };
        let stamped = Segment { timestamp: Some(value), ..segment };
        prop_assert_eq!(acceptance(&sender, &stamped), acceptance(&sender, &bare));
    }

    #[test]
    fn the_model_classifies_retreats_alike(
        ack in start(),
        window in distance(),
        in_flight in distance(),
        last_offset in signed(distance()),
        max_above in distance(),
        shift in 0u8..=14,
    ) {
        let new_edge = ack + window;
        let last_edge = new_edge + last_offset;
        let edge_max = last_edge.max(new_edge - 1) + max_above % (1 << 30);
        let snd_nxt = ack + in_flight;
        let retracted = edge_max - new_edge;
        prop_assume!(retracted < 1 << 31);
        let expected = if new_edge >= last_edge || retracted <= 0 {
            Retreat::None
        } else if retracted < 1 << shift {
            Retreat::Granularity
        } else if window == 0 && snd_nxt > ack {
            Retreat::Treason
        } else if new_edge < snd_nxt {
            Retreat::BelowFlight
        } else {
            Retreat::Polite
        };
        let told = retreat(wire(edge_max), wire(last_edge), wire(ack), wire(window), wire(snd_nxt), shift);
        prop_assert_eq!(told, expected);
        prop_assert_eq!(edge(wire(ack), wire(window)), wire(new_edge));
        prop_assert_eq!(
            retracted_bytes(wire(edge_max), wire(new_edge)),
            u32::try_from(retracted.max(0)).unwrap()
        );
    }

    #[test]
    fn the_model_ends_episodes_alike(
        ack in start(),
        window in distance(),
        queued in distance(),
        mss in prop::sample::select(vec![1i128, 128, 536, 1_448, 65_495]),
    ) {
        let head = queued.min(mss);
        let may_go = window > 0 && window >= head;
        let told = episode_continues(wire(ack), wire(window), wire(ack + queued), wire(mss));
        prop_assert_eq!(told, !may_go);
    }

    #[test]
    fn the_model_knows_edges_that_were_passed(
        ack in start(),
        ahead in 0i128..1 << 30,
        acked in prop_oneof![0i128..1 << 32, 0i128..1 << 40],
    ) {
        // The edge lay ahead of what was acknowledged then; much may have been since.
        let told = is_passed(wire(ack + ahead), wire(ack + acked), u64::try_from(acked).unwrap());
        // At two gigabytes and more it is passed for sure: no window reaches that far.
        prop_assert_eq!(told, acked > ahead);
        // A count that ran ahead of the kernel proves nothing.
        prop_assert!(!is_passed(wire(ack + ahead), wire(ack), u64::MAX - 1_000));
    }

    #[test]
    fn no_numbers_at_all_panic(n in prop::array::uniform12(any::<u32>()), shift in any::<u8>()) {
        let sender = Sender {
            snd_una: n[0], snd_nxt: n[1], snd_wnd: n[2], snd_wl1: n[3],
            rcv_nxt: n[4], rcv_wup: n[5], rcv_wnd: n[6], ts_recent: n[7],
        };
        let segment = Segment {
            seq: n[8], end_seq: n[9], ack: n[10], window: n[11], timestamp: Some(n[0] ^ n[11]),
        };
        let _ = acceptance(&sender, &segment);
        let _ = retreat(n[0], n[1], n[2], n[3], n[4], shift);
        let _ = episode_continues(n[0], n[1], n[2], n[3]);
    }
}
