//! What can happen to an engine.

use crate::support::{NETNS, healthy};
use detector_core::observe::observation::{
    CongestionState, Observation, PendingTimer, Reason, Retransmits, Shrinks, Source, TcpState,
    Totals,
};
use detector_core::time::MonotonicTime;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Observe(Box<Observation>),
    EndSweep {
        netns: u32,
        age_ms: u64,
        is_complete: bool,
    },
    Advance {
        ms: u64,
    },
    Scrape,
    WallSteps {
        seconds: i32,
    },
    Pressure {
        used_bytes: u64,
    },
    Untracked(u64),
    Reconfigure {
        connections: usize,
        peers: usize,
        ignore: bool,
    },
}

fn totals() -> impl Strategy<Value = Totals> {
    (prop::array::uniform10(0u64..6), 0u64..20_000).prop_map(|(n, zero_ms)| Totals {
        shrinks: Shrinks {
            polite: n[0],
            below_flight: n[1],
            treason: n[2],
        },
        granularity_retreats: n[3],
        ambiguous_windows: n[4],
        ignored_segments: 0,
        zero_window_episodes: n[5],
        zero_window_ns: zero_ms * 1_000_000,
        retransmits: Retransmits {
            loss: n[6],
            tail_probe: n[8],
            window_probe: n[7],
        },
        retransmits_needless: n[9],
    })
}

fn remote() -> impl Strategy<Value = String> {
    (0u8..6, 0u16..4, any::<bool>()).prop_map(|(host, port, is_v6)| {
        if is_v6 {
            format!("[2001:db8:0:{host}::1]:{}", 40_000 + port)
        } else {
            format!("198.51.100.{host}:{}", 40_000 + port)
        }
    })
}

prop_compose! {
    fn state()(
        remote in remote(),
        netns in prop::sample::select(vec![NETNS, 7]),
        reason in prop::sample::select(vec![
            Reason::Window, Reason::Window, Reason::Retransmit, Reason::State, Reason::Closed, Reason::Sweep, Reason::Sweep,
        ]),
        source in prop::sample::select(vec![Source::Hook, Source::Sweep, Source::Both]),
        window_bytes in prop::sample::select(vec![0u32, 1, 100, 2_000, 131_072, u32::MAX]),
        queued in prop::sample::select(vec![0u32, 1, 100, 65_536, 1 << 31]),
        in_flight in 0u32..3_000,
        una in prop_oneof![Just(1_000u32), Just(u32::MAX - 5), any::<u32>()],
        acked in 0u64..5_000,
        pinned_bytes in prop_oneof![0u64..100_000, Just(i32::MAX as u64)],
        silence in (0u8..5, 0u8..5),
        mss_bytes in prop::sample::select(vec![0u32, 128, 1_448]),
        congestion in prop::sample::select(vec![CongestionState::Open, CongestionState::Loss]),
        edge in prop::option::of(any::<u32>()),
    ) -> Observation {
        let mut observation = healthy(&remote, MonotonicTime::default());
        observation.connection.netns = netns;
        Observation {
            reason,
            source,
            window_bytes,
            snd_una: una,
            snd_nxt: una.wrapping_add(in_flight),
            write_seq: una.wrapping_add(queued),
            bytes_acked: acked,
            pinned_bytes,
            probes_unanswered: silence.0,
            timeouts: silence.1,
            retransmits_unanswered: u32::from(silence.1),
            head_retransmits: u32::from(silence.1),
            mss_bytes,
            max_window_bytes: window_bytes,
            congestion,
            edge_max: edge,
            state: TcpState::CloseWait,
            timer: PendingTimer::Other(9),
            ..observation
        }
    }
}

prop_compose! {
    fn observation()(
        state in state(),
        generation in prop::option::weighted(0.9, 1u64..4),
        totals in totals(),
        late_ms in prop_oneof![3 => Just(0u64), 1 => 0u64..8_000],
        zero in prop::option::of((0u64..9_000, any::<bool>())),
    ) -> Observation {
        // Times hold ages for now; the run turns them into moments.
        Observation {
            at: MonotonicTime::from_ns(late_ms),
            generation: generation.map(MonotonicTime::from_ns),
            totals: if generation.is_some() { totals } else { Totals::default() },
            zero_window_since: zero.map(|(age, _)| MonotonicTime::from_ns(age)),
            harmful_since: zero.filter(|(_, harms)| *harms).map(|(age, _)| MonotonicTime::from_ns(age)),
            ..state
        }
    }
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => observation().prop_map(|each| Operation::Observe(Box::new(each))),
        1 => (prop::sample::select(vec![NETNS, 7]), 0u64..3_000, any::<bool>())
            .prop_map(|(netns, age_ms, is_complete)| Operation::EndSweep { netns, age_ms, is_complete }),
        3 => prop_oneof![Just(100u64), 0u64..70_000].prop_map(|ms| Operation::Advance { ms }),
        2 => Just(Operation::Scrape),
        1 => (-100_000i32..100_000).prop_map(|seconds| Operation::WallSteps { seconds }),
        1 => prop_oneof![Just(0u64), 0u64..2_000_000].prop_map(|used_bytes| Operation::Pressure { used_bytes }),
        1 => (0u64..9).prop_map(Operation::Untracked),
        1 => (1usize..9, 1usize..9, any::<bool>())
            .prop_map(|(connections, peers, ignore)| Operation::Reconfigure { connections, peers, ignore }),
    ]
}
