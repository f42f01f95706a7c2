//! Which segment counts, against plain models of what the kernel does with one.
//!
//! `Kernel` is the text of `tcp_rcv_established`, `tcp_validate_incoming`, `tcp_sequence` and
//! `tcp_ack` in their order, once for each form of a test that some kernel makes, on sequence numbers
//! that never wrap. The hook's arithmetic sees the same numbers cut to 32 bits, and only what a hook
//! can see.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod support;

use detector_common::acceptance::{
    Acceptance, Outcome, Segment, Sender, Window, acceptance, has_expired, is_past, outcome,
};
use proptest::prelude::*;
use support::{distance, signed, start, wire};

/// The forms of the tests; see `docs/segments.md`.
#[derive(Clone, Copy, Debug)]
struct Kernel {
    tests_end: bool,
    lets_fin_beyond: bool,
    keeps_highest_edge: bool,
    takes_repeated_zero: bool,
    has_microseconds: bool,
}

fn kernel() -> impl Strategy<Value = Kernel> {
    let any_kernel = any::<(bool, bool, bool, bool, bool)>();
    any_kernel.prop_map(|(end, fin, highest, zero, microseconds)| Kernel {
        tests_end: end || highest,
        // Younger than the FIN's leave.
        lets_fin_beyond: fin || highest,
        keeps_highest_edge: highest,
        takes_repeated_zero: zero,
        has_microseconds: microseconds,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checksum {
    KnownToBeRight,
    Right,
    Wrong,
}

/// A socket and a segment on numbers that never wrap. A record of many fields: all that the kernel's tests look at.
#[derive(Clone, Debug)]
struct Case {
    kernel: Kernel,
    snd_una: i128,
    snd_nxt: i128,
    snd_wnd: i128,
    snd_wl1: i128,
    rcv_nxt: i128,
    rcv_wup: i128,
    rcv_wnd: i128,
    highest_edge: i128,
    receive_queue: u32,
    ts_recent: i128,
    /// Seconds since it was set.
    ts_age: i128,
    seq: i128,
    length: i128,
    has_fin: bool,
    ack: i128,
    window: i128,
    timestamp: Option<i128>,
    checksum: Checksum,
}

/// Seconds: usual ones, and around both ages from which on a timestamp is forgotten.
fn age() -> impl Strategy<Value = i128> {
    prop_oneof![
        0i128..10,
        2_140i128..2_155,
        2_073_590i128..2_073_610,
        Just(3_000_000i128),
    ]
}

prop_compose! {
    fn socket()(
        kernel in kernel(),
        snd_una in start(),
        in_flight in distance(),
        snd_wnd in distance(),
        rcv_wup in start(),
        received in 0i128..200_000,
        rcv_wnd in distance(),
        taken_back in prop_oneof![Just(0i128), distance()],
        wl1_back in 0i128..3_000,
        receive_queue in 0u32..3,
        ts_recent in 1i128..(1 << 32),
        ts_age in age(),
    ) -> Case {
        let rcv_nxt = rcv_wup + received;
        Case {
            kernel,
            snd_una,
            snd_nxt: snd_una + in_flight,
            snd_wnd,
            snd_wl1: rcv_nxt - wl1_back,
            rcv_nxt,
            rcv_wup,
            rcv_wnd,
            highest_edge: rcv_wup + rcv_wnd + taken_back,
            receive_queue,
            ts_recent,
            ts_age,
            seq: rcv_nxt,
            length: 0,
            has_fin: false,
            ack: snd_una,
            window: snd_wnd,
            timestamp: None,
            checksum: Checksum::KnownToBeRight,
        }
    }
}

prop_compose! {
    fn case()(
        socket in socket(),
        seq_offset in prop_oneof![Just(None), signed(distance()).prop_map(Some)],
        // Ends at the edge, or one or two beyond it, as often as anywhere.
        length in prop_oneof![Just(Some(0i128)), (1i128..1_460).prop_map(Some), Just(None)],
        beyond in 0i128..3,
        has_fin in any::<bool>(),
        ack_offset in prop_oneof![Just(0i128), signed(distance())],
        window in prop_oneof![Just(None), Just(Some(0i128)), distance().prop_map(Some)],
        ts_offset in prop::option::of(prop_oneof![-3i128..4, -100_000i128..100_000]),
        checksum in prop::sample::select(vec![
            Checksum::KnownToBeRight, Checksum::Right, Checksum::Wrong,
        ]),
    ) -> Case {
        let seq = seq_offset.map_or(socket.snd_wl1, |offset| socket.rcv_nxt + offset);
        let to_edge = socket.limit() + beyond - seq;
        let length = length.unwrap_or(to_edge.clamp(0, 100_000));
        Case {
            seq,
            length: length.max(i128::from(has_fin)),
            has_fin,
            ack: socket.snd_una + ack_offset,
            window: window.unwrap_or(socket.snd_wnd),
            timestamp: ts_offset.map(|offset| socket.ts_recent + offset),
            checksum,
            ..socket
        }
    }
}

/// What the kernel does with the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Dropped,
    Old,
    Kept,
    Set,
}

/// Second at which the segment comes, by a clock that has run for a while.
const NOW: i128 = 5_000_000;

impl Case {
    /// How far our own window goes.
    fn limit(&self) -> i128 {
        let edge = if self.kernel.keeps_highest_edge {
            self.highest_edge
        } else {
            self.rcv_wup + self.rcv_wnd
        };
        edge.max(self.rcv_nxt)
    }

    fn end(&self) -> i128 {
        self.seq + self.length
    }

    fn is_refused_by_paws(&self) -> bool {
        let forgotten = if self.kernel.has_microseconds {
            2_147
        } else {
            60 * 60 * 24 * 24
        };
        self.ts_age < forgotten
            && self
                .timestamp
                .is_some_and(|value| value < self.ts_recent - 1)
    }

    fn is_out_of_sequence(&self) -> bool {
        let limit = self.limit();
        if self.end() < self.rcv_wup {
            return true;
        }
        if !self.kernel.tests_end {
            return self.seq > limit;
        }
        if self.end() <= limit {
            return false;
        }
        let without_fin = self.end() - i128::from(self.has_fin);
        if self.kernel.lets_fin_beyond && without_fin <= limit {
            return false;
        }
        self.seq > limit || self.receive_queue > 0
    }

    fn fate(&self) -> Fate {
        if self.checksum == Checksum::Wrong
            || self.is_refused_by_paws()
            || self.is_out_of_sequence()
            || self.ack > self.snd_nxt
        {
            return Fate::Dropped;
        }
        if self.ack < self.snd_una {
            return Fate::Old;
        }
        let is_repeated = self.seq == self.snd_wl1;
        let is_set = self.ack > self.snd_una
            || self.seq > self.snd_wl1
            || is_repeated && self.window > self.snd_wnd
            || is_repeated && self.window == 0 && self.kernel.takes_repeated_zero;
        if is_set { Fate::Set } else { Fate::Kept }
    }

    /// The two places where the agent means to differ (16 and 17 of `docs/segments.md`): the numbers
    /// are as before and the window is smaller, or zero again.
    fn is_last_word_only(&self) -> bool {
        self.ack == self.snd_una
            && self.seq == self.snd_wl1
            && (self.window < self.snd_wnd || self.window == 0)
    }

    fn on_the_wire(&self) -> (Sender, Segment) {
        let ts_recent = wire(self.ts_recent);
        let stamp = u32::try_from(NOW - self.ts_age).unwrap();
        let now = u32::try_from(NOW).unwrap();
        let sender = Sender {
            snd_una: wire(self.snd_una),
            snd_nxt: wire(self.snd_nxt),
            snd_wnd: wire(self.snd_wnd),
            snd_wl1: wire(self.snd_wl1),
            rcv_nxt: wire(self.rcv_nxt),
            rcv_wup: wire(self.rcv_wup),
            rcv_wnd: wire(self.rcv_wnd),
            rcv_mwnd_seq: self
                .kernel
                .keeps_highest_edge
                .then(|| wire(self.highest_edge)),
            receive_queue: self.kernel.tests_end.then_some(self.receive_queue),
            ts_recent,
            ts_recent_has_expired: has_expired(stamp, now, self.kernel.has_microseconds),
        };
        let segment = Segment {
            seq: wire(self.seq),
            end_seq: wire(self.end()),
            ack: wire(self.ack),
            window: wire(self.window),
            has_fin: self.has_fin,
            timestamp: self.timestamp.map(wire),
            is_settled: self.checksum == Checksum::KnownToBeRight,
        };
        (sender, segment)
    }

    /// Whether a FIN alone lies beyond our window, on a kernel that does not say what it does then.
    fn has_fin_at_unknown(&self) -> bool {
        !self.kernel.keeps_highest_edge && self.has_fin && self.end() == self.limit() + 1
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn what_counts_for_certain_the_kernel_takes_too(case in case()) {
        // A timestamp clock that passes 0 shows nothing for one tick.
        prop_assume!(wire(case.ts_recent) != 0);
        let (sender, segment) = case.on_the_wire();
        let told = acceptance(&sender, &segment);
        let fate = case.fate();
        match told {
            Acceptance::Taken => prop_assert!(
                fate == Fate::Set || fate == Fate::Kept && case.is_last_word_only(), "{fate:?}"
            ),
            Acceptance::Unproven => prop_assert!(
                case.checksum != Checksum::KnownToBeRight || case.has_fin_at_unknown()
            ),
            Acceptance::Stale | Acceptance::Ignored | Acceptance::Ambiguous => {
                prop_assert_ne!(fate, Fate::Set);
            }
        }
        // Nothing is left open where the fields decide.
        if case.checksum == Checksum::KnownToBeRight && !case.has_fin_at_unknown() {
            match fate {
                Fate::Set => prop_assert_eq!(told, Acceptance::Taken),
                Fate::Dropped => prop_assert_eq!(told, Acceptance::Ignored),
                Fate::Old => prop_assert_eq!(told, Acceptance::Stale),
                Fate::Kept => prop_assert_ne!(told, Acceptance::Ignored),
            }
        }
    }

    #[test]
    fn what_became_of_an_unproven_segment_shows_at_the_socket(
        case in case(), meddled in prop::option::of(1u32..70_000),
    ) {
        prop_assume!(wire(case.ts_recent) != 0);
        let (sender, segment) = case.on_the_wire();
        let (before, offered) = (sender.window(), segment.offered());
        // Segments that change nothing are not put by.
        if acceptance(&sender, &segment) != Acceptance::Unproven || before == offered {
            return Ok(());
        }
        let fate = case.fate();
        let now = if fate == Fate::Set { offered } else { before };
        let expected = if fate == Fate::Set { Outcome::Taken } else { Outcome::Dropped };
        prop_assert_eq!(outcome(&before, &offered, &now), expected);
        // Whoever else sets the window makes it unknown, and never taken.
        if let Some(bytes) = meddled {
            let snd_wnd = offered.snd_wnd.wrapping_add(bytes);
            let now = Window { snd_wnd, ..now };
            prop_assert_ne!(outcome(&before, &offered, &now), Outcome::Taken);
        }
    }

    #[test]
    fn without_progress_only_a_newer_timestamp_or_zero_takes_a_window_back(case in case()) {
        let case = Case {
            ack: case.snd_una,
            seq: case.snd_wl1,
            snd_wnd: case.snd_wnd + 1,
            window: case.window.min(case.snd_wnd),
            has_fin: false,
            checksum: Checksum::KnownToBeRight,
            ..case
        };
        prop_assume!(wire(case.ts_recent) != 0);
        let (sender, segment) = case.on_the_wire();
        let is_newer = case.timestamp.is_some_and(|value| value > case.ts_recent);
        let expected = if case.fate() == Fate::Dropped {
            Acceptance::Ignored
        } else if case.window == 0 || is_newer {
            Acceptance::Taken
        } else {
            Acceptance::Ambiguous
        };
        prop_assert_eq!(acceptance(&sender, &segment), expected);
    }

    #[test]
    fn without_an_agreed_timestamp_the_option_says_nothing(case in case(), value in any::<u32>()) {
        let (sender, segment) = case.on_the_wire();
        let sender = Sender { ts_recent: 0, ..sender };
        let bare = Segment { timestamp: None, ..segment };
        let stamped = Segment { timestamp: Some(value), ..segment };
        prop_assert_eq!(acceptance(&sender, &stamped), acceptance(&sender, &bare));
        prop_assert!(!is_past(0, value));
    }

    #[test]
    fn the_clock_may_wrap(stamp in any::<u32>(), age in age(), has_microseconds in any::<bool>()) {
        let forgotten = if has_microseconds { 2_147 } else { 60 * 60 * 24 * 24 };
        let age = u32::try_from(age).unwrap();
        let told = has_expired(stamp, stamp.wrapping_add(age), has_microseconds);
        prop_assert_eq!(told, age >= forgotten);
    }

    #[test]
    fn no_numbers_at_all_panic(n in prop::array::uniform16(any::<u32>())) {
        let sender = Sender {
            snd_una: n[0], snd_nxt: n[1], snd_wnd: n[2], snd_wl1: n[3],
            rcv_nxt: n[4], rcv_wup: n[5], rcv_wnd: n[6],
            rcv_mwnd_seq: (n[14] & 1 == 1).then_some(n[12]),
            receive_queue: (n[14] & 2 == 2).then_some(n[13]),
            ts_recent: n[7], ts_recent_has_expired: n[14] & 4 == 4,
        };
        let segment = Segment {
            seq: n[8], end_seq: n[9], ack: n[10], window: n[11],
            has_fin: n[14] & 8 == 8, timestamp: Some(n[15]), is_settled: n[14] & 16 == 16,
        };
        let _ = acceptance(&sender, &segment);
    }
}
