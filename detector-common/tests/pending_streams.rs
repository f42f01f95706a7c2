//! Streams of segments of which some have wrong checksums, and nobody knows which: what is put by and
//! looked for at the next segment gives the kernel's counts in the end, and at no moment more.

#![allow(clippy::panic, reason = "a test may fail where it stands")]

use detector_common::acceptance::{
    Acceptance, Outcome, Segment, Sender, Window, acceptance, outcome,
};
use detector_common::window::{Retreat, edge, is_after, later, retreat};
use proptest::prelude::*;

const IN_FLIGHT: u32 = 1 << 20;

/// A segment, by what it changes.
#[derive(Clone, Copy, Debug)]
struct Step {
    acked: u32,
    bytes: u32,
    window: u32,
    is_known_to_be_right: bool,
    is_right: bool,
    /// A sweep, a retransmit or a change of state comes behind it.
    is_looked_at: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (
        prop_oneof![Just(0u32), 1u32..3_000],
        1u32..1_460,
        prop_oneof![Just(0u32), Just(1u32), 0u32..80_000],
        any::<(bool, bool, bool)>(),
    )
        .prop_map(|(acked, bytes, window, (known, right, looked))| Step {
            acked,
            bytes,
            window,
            is_known_to_be_right: known,
            is_right: known || right,
            is_looked_at: looked,
        })
}

/// Edges and counts, as the records keep them.
struct Book {
    edge_max: u32,
    last_edge: u32,
    shrinks: u32,
}

impl Book {
    fn new(window: &Window) -> Self {
        let edge = edge(window.snd_una, window.snd_wnd);
        Self {
            edge_max: edge,
            last_edge: edge,
            shrinks: 0,
        }
    }

    fn enter(&mut self, before: &Window, offered: &Window, snd_nxt: u32) {
        self.last_edge = edge(before.snd_una, before.snd_wnd);
        self.edge_max = later(self.edge_max, self.last_edge);
        let (ack, window) = (offered.snd_una, offered.snd_wnd);
        let told = retreat(self.edge_max, self.last_edge, ack, window, snd_nxt, 0);
        self.shrinks += u32::from(told != Retreat::None);
        self.edge_max = later(self.edge_max, edge(ack, window));
    }
}

struct Stream {
    kernel: Sender,
    truth: Book,
    hook: Book,
    pending: Option<(Window, Window)>,
}

impl Stream {
    fn new(start: u32) -> Self {
        let kernel = Sender {
            snd_una: start,
            snd_nxt: start.wrapping_add(IN_FLIGHT),
            snd_wnd: 65_535,
            snd_wl1: start.wrapping_sub(1),
            rcv_nxt: start,
            rcv_wup: start,
            rcv_wnd: 65_535,
            rcv_mwnd_seq: None,
            receive_queue: Some(0),
            ts_recent: 0,
            ts_recent_has_expired: false,
        };
        let window = kernel.window();
        Self {
            kernel,
            truth: Book::new(&window),
            hook: Book::new(&window),
            pending: None,
        }
    }

    /// The hook, then the kernel, then perhaps another look.
    fn play(&mut self, step: Step) {
        let kernel = self.kernel;
        let segment = Segment {
            seq: kernel.rcv_nxt,
            end_seq: kernel.rcv_nxt.wrapping_add(step.bytes),
            ack: kernel.snd_una.wrapping_add(step.acked),
            window: step.window,
            has_fin: false,
            timestamp: None,
            is_settled: step.is_known_to_be_right,
        };
        self.see(&segment);
        if step.is_right {
            let before = kernel.window();
            let offered = segment.offered();
            self.truth.enter(&before, &offered, kernel.snd_nxt);
            self.kernel = Sender {
                snd_una: segment.ack,
                snd_nxt: later(kernel.snd_nxt, segment.ack.wrapping_add(IN_FLIGHT)),
                snd_wnd: segment.window,
                snd_wl1: segment.seq,
                rcv_nxt: segment.end_seq,
                rcv_wup: segment.end_seq,
                ..kernel
            };
        }
        if step.is_looked_at {
            self.settle();
        }
    }

    fn see(&mut self, segment: &Segment) {
        let before = self.kernel.window();
        let (old_edge, new_edge) = (
            edge(before.snd_una, before.snd_wnd),
            edge(segment.ack, segment.window),
        );
        let is_healthy = segment.window > 0 && !is_after(old_edge, new_edge);
        if is_healthy && self.pending.is_none() {
            return;
        }
        self.settle();
        let offered = segment.offered();
        match acceptance(&self.kernel, segment) {
            Acceptance::Taken => self.hook.enter(&before, &offered, self.kernel.snd_nxt),
            Acceptance::Unproven => self.pending = Some((before, offered)),
            told => panic!("{told:?}"),
        }
    }

    fn settle(&mut self) {
        let Some((before, offered)) = self.pending.take() else {
            return;
        };
        match outcome(&before, &offered, &self.kernel.window()) {
            Outcome::Taken => self.hook.enter(&before, &offered, self.kernel.snd_nxt),
            Outcome::Dropped => {}
            Outcome::Unknown => panic!("{before:?} {offered:?} {:?}", self.kernel.window()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn what_is_put_by_gives_the_kernels_counts(
        start in any::<u32>(), steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut stream = Stream::new(start);
        for step in steps {
            stream.play(step);
            prop_assert!(stream.hook.shrinks <= stream.truth.shrinks);
        }
        stream.settle();
        prop_assert_eq!(stream.hook.shrinks, stream.truth.shrinks);
    }
}
