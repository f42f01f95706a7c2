//! The short run: corpora, seeds, then a fixed sequence of mutations through every target.
//!
//! `FUZZ_INPUTS` sets how many mutated inputs each target gets.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

use std::fs;
use std::panic::catch_unwind;

use detector_fuzz::mutation::{Numbers, mutate};
use detector_fuzz::{TARGETS, Target};

/// Any number: it only has to be the same every time.
const SEED: u64 = 0x6465_7465_6374_6f72;

fn target(name: &str) -> Target {
    TARGETS
        .into_iter()
        .find(|target| target.name == name)
        .expect("in the list")
}

/// Seeds and checked-in inputs, in the order of their names.
fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let mut inputs = (target.seeds)();
    let corpus = target.corpus();
    let mut files: Vec<_> = fs::read_dir(&corpus)
        .unwrap_or_else(|error| panic!("read {}: {error}", corpus.display()))
        .map(|entry| entry.expect("entry of the corpus").path())
        .collect();
    files.sort();
    inputs.extend(
        files
            .iter()
            .map(|file| fs::read(file).expect("input of the corpus")),
    );
    inputs
}

/// Feeds one input. If that fails, keeps it and says where.
fn feed(target: &Target, bytes: &[u8]) {
    if catch_unwind(|| (target.run)(bytes)).is_ok() {
        return;
    }
    let folder = target.artifacts();
    fs::create_dir_all(&folder).expect("folder for the input");
    let file = folder.join("short-run");
    fs::write(&file, bytes).expect("the input");
    panic!(
        "target {} fails on {} ({} bytes)",
        target.name,
        file.display(),
        bytes.len()
    );
}

fn run(target: Target) {
    let inputs = inputs(&target);
    for input in &inputs {
        feed(&target, input);
    }
    let count = match std::env::var("FUZZ_INPUTS") {
        Ok(text) => text.parse().expect("FUZZ_INPUTS is a number"),
        Err(_) => target.short_run_inputs,
    };
    let mut numbers = Numbers::new(SEED);
    for _ in 0..count {
        feed(&target, &mutate(&inputs, &mut numbers));
    }
}

#[test]
fn btf() {
    run(target("btf"));
}

#[test]
fn kmsg() {
    run(target("kmsg"));
}

#[test]
fn records() {
    run(target("records"));
}

#[test]
fn streams() {
    run(target("streams"));
}

#[test]
fn every_target_has_a_test_here() {
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["btf", "kmsg", "records", "streams"]);
}

/// Seeds that are refused at the door would make the run above look at nothing but the door.
#[test]
fn seeds_get_deep() {
    use detector_core::observe::btf::Btf;
    use detector_core::observe::decode::{Decoder, RECORD_BYTES};

    for seed in detector_fuzz::btf::seeds() {
        assert!(Btf::parse(&seed).expect("well-formed").type_count() > 10);
    }
    for seed in detector_fuzz::kmsg::seeds() {
        let mut reader = detector_kmsg::LogReader::new().expect("the words can be searched for");
        reader.feed(&seed);
        let report = reader.finish();
        assert!(!report.peers.is_empty() || !report.kills.is_empty());
    }
    for seed in detector_fuzz::records::seeds() {
        let whole = Decoder::new(64)
            .decode_rows(&seed)
            .filter(Result::is_ok)
            .count();
        assert_eq!(whole, seed.len() / RECORD_BYTES);
    }
    let [stall, crowd] = detector_fuzz::streams::seeds()
        .try_into()
        .expect("two seeds");
    let stalled = detector_fuzz::streams::play(&stall);
    assert!(stalled.flags.iter().sum::<u64>() > 0, "{stalled:?}");
    let crowded = detector_fuzz::streams::play(&crowd);
    assert!(
        crowded.totals.peer_evictions > 0 && crowded.totals.connection_evictions > 0,
        "{crowded:?}"
    );
    assert!(crowded.totals.ledger.shrinks.treason > 0, "{crowded:?}");
}
