//! Looks at a socket while acknowledgements and our own packets come and go, against the times at which
//! its window really changed.

use detector_common::look::Look;
use proptest::prelude::*;

const TICK_NS: u32 = 4_000_000;

/// What happens to a socket, each so many nanoseconds after the one before.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// An acknowledgement that changes the window.
    Change,
    /// One that repeats what is known.
    Repeat,
    /// We send.
    Send,
    /// The kernel side looks.
    Look,
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let kinds = vec![Event::Change, Event::Repeat, Event::Send, Event::Look];
    (0..3_000_000_000_u64, prop::sample::select(kinds))
}

#[derive(Default)]
struct Model {
    now_ns: u64,
    looked_ns: u64,
    /// Changes since the last look, the first and the last.
    changes: Option<(u64, u64)>,
    last_ack_ns: u64,
    last_packet_ns: u64,
}

impl Model {
    fn look(&self, tick_ns: u32) -> u64 {
        // The kernel's clock shows whole ticks.
        let ticks = |at_ns: u64| at_ns / u64::from(TICK_NS);
        let age = ticks(self.now_ns) - ticks(self.last_ack_ns);
        let look = Look {
            now_ns: self.now_ns,
            before_ns: self.looked_ns,
            last_packet_ns: Some(self.last_packet_ns),
            ack_age_ticks: u32::try_from(age).unwrap_or(u32::MAX),
            tick_ns,
        };
        look.changed_ns()
    }
}

proptest! {
    #[test]
    fn a_change_is_dated_between_itself_and_the_last_acknowledgement(
        start_ns in 1..10_000_000_000_u64,
        events in prop::collection::vec(event(), 1..60),
    ) {
        let tick_ns = u64::from(TICK_NS);
        let mut model = Model {
            now_ns: start_ns,
            looked_ns: start_ns,
            last_ack_ns: start_ns,
            last_packet_ns: start_ns,
            ..Model::default()
        };
        for (after_ns, event) in events {
            model.now_ns += after_ns;
            match event {
                Event::Change | Event::Repeat => {
                    model.last_ack_ns = model.now_ns;
                    model.last_packet_ns = model.now_ns;
                }
                Event::Send => model.last_packet_ns = model.now_ns,
                Event::Look => {}
            }
            if let Event::Change = event {
                let first = model.changes.map_or(model.now_ns, |(first, _)| first);
                model.changes = Some((first, model.now_ns));
            }
            let (Event::Look, Some((first, last))) = (event, model.changes) else {
                if let Event::Look = event {
                    model.looked_ns = model.now_ns;
                }
                continue;
            };
            let exactly = model.look(TICK_NS);
            prop_assert!(exactly >= model.looked_ns && exactly <= model.now_ns);
            prop_assert!(exactly + tick_ns > first, "{exactly} before {first}");
            prop_assert!(exactly < model.last_ack_ns + tick_ns);
            if model.last_ack_ns == last {
                prop_assert!(exactly.abs_diff(last) < tick_ns, "{exactly} of {last}");
            }
            // Without ticks the last packet is what there is.
            prop_assert_eq!(model.look(0), model.last_packet_ns);
            model.looked_ns = model.now_ns;
            model.changes = None;
        }
    }
}

#[test]
fn a_clock_that_has_not_ticked_here_yet_dates_nothing_back() {
    let look = Look {
        now_ns: 5_000_000_000,
        before_ns: 0,
        last_packet_ns: None,
        ack_age_ticks: u32::MAX,
        tick_ns: TICK_NS,
    };
    assert_eq!(look.changed_ns(), look.now_ns);
}

#[test]
fn the_look_before_bounds_what_an_idle_socket_tells() {
    let look = Look {
        now_ns: 5_000_000_000,
        before_ns: 4_000_000_000,
        last_packet_ns: Some(1_000_000_000),
        ack_age_ticks: 1_000,
        tick_ns: TICK_NS,
    };
    assert_eq!(look.changed_ns(), look.before_ns);
}
