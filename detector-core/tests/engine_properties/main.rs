//! The engine under any sequence of operations: no panic, bounds hold, numbers add up and never
//! go backwards, and totals equal a plain model's.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod operations;
mod run;
#[path = "../support/mod.rs"]
mod support;

use detector_core::observe::observation::{ConnectionId, Observation, Totals};
use detector_core::settings::TableSettings;
use operations::{Operation, operation};
use proptest::prelude::*;
use run::Run;
use std::collections::HashMap;

/// Plain sums: for each generation of each connection the highest totals ever told.
#[derive(Default)]
struct Model {
    generations: HashMap<(ConnectionId, u64), Totals>,
    untracked: u64,
}

impl Model {
    fn observe(&mut self, observation: &Observation) {
        if let Some(generation) = observation.generation {
            let key = (observation.connection, generation.as_ns());
            let entry = self.generations.entry(key).or_default();
            *entry = entry.highest(&observation.totals);
        }
    }

    fn sum(&self) -> Totals {
        let sum = |sum: Totals, each: &Totals| sum.plus(each);
        self.generations.values().fold(Totals::default(), sum)
    }
}

fn small_tables() -> TableSettings {
    TableSettings {
        peers_capacity: 5,
        connections_capacity: 6,
        events_capacity: 20,
        export: 2,
        export_hold_ns: 2_000_000_000,
        ipv6_prefix: 64,
    }
}

fn roomy_tables() -> TableSettings {
    TableSettings {
        export: 3,
        ..TableSettings::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(128),
    ))]

    #[test]
    fn bounds_and_sums_hold_in_small_tables(operations in prop::collection::vec(operation(), 1..80)) {
        let mut run = Run::new(small_tables());
        for operation in &operations {
            run.apply(operation);
        }
        run.scrape();
    }

    #[test]
    fn totals_equal_the_plain_model(operations in prop::collection::vec(operation(), 1..80)) {
        let mut run = Run::new(roomy_tables());
        let mut model = Model::default();
        for operation in &operations {
            match operation {
                Operation::Reconfigure { .. } => continue,
                Operation::Observe(ages) => model.observe(&run.place(ages)),
                Operation::Untracked(count) => model.untracked = model.untracked.max(*count),
                _ => {}
            }
            run.apply(operation);
        }
        let host = run.engine.metrics().totals.ledger;
        let sum = model.sum();
        prop_assert_eq!(host.shrinks.polite, sum.shrinks.polite);
        prop_assert_eq!(host.shrinks.below_flight, sum.shrinks.below_flight);
        prop_assert_eq!(host.shrinks.treason, sum.shrinks.treason);
        prop_assert_eq!(host.zero_window_episodes, sum.zero_window_episodes);
        let mut retransmits = sum.retransmits;
        retransmits.loss += model.untracked;
        prop_assert_eq!(host.retransmits, retransmits);
        prop_assert_eq!(host.retransmits_needless, sum.retransmits_needless);
        let finished_seconds = sum.zero_window_ns as f64 / 1e9;
        prop_assert!(host.zero_window_seconds >= finished_seconds - 1e-6);
    }

    #[test]
    fn the_same_operations_give_the_same_events(operations in prop::collection::vec(operation(), 1..60)) {
        let mut runs = [Run::new(small_tables()), Run::new(small_tables())];
        for operation in &operations {
            for run in &mut runs {
                run.apply(operation);
            }
        }
        let [a, b] = &runs;
        prop_assert!(a.engine.events_after(0).eq(b.engine.events_after(0)));
        prop_assert_eq!(a.engine.peers(), b.engine.peers());
        prop_assert_eq!(a.engine.incidents(), b.engine.incidents());
        prop_assert_eq!(&a.last, &b.last);
    }
}
