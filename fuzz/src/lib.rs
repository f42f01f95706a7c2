//! The bodies of the fuzz targets, as plain functions for stable Rust.
//!
//! `tests/short.rs` runs them on corpora, seeds and mutations; `fuzz_targets/` hands them to
//! libFuzzer. A target must come back from any bytes; it panics only to report a fault.
#![allow(clippy::expect_used, reason = "a target reports a fault by a panic")]

pub mod btf;
pub mod kmsg;
pub mod mutation;
pub mod records;
pub mod streams;

use std::path::PathBuf;

/// One thing that reads untrusted bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is fed with; also the folder in `corpus/`.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// Inputs that get deep into it. Made by code, so they follow changes of the format.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many mutated inputs the short run feeds: about two seconds' worth.
    pub short_run_inputs: u32,
}

/// All targets.
pub const TARGETS: [Target; 4] = [
    Target {
        name: "btf",
        run: btf::run,
        seeds: btf::seeds,
        short_run_inputs: 50_000,
    },
    Target {
        name: "kmsg",
        run: kmsg::run,
        seeds: kmsg::seeds,
        short_run_inputs: 1_500,
    },
    Target {
        name: "records",
        run: records::run,
        seeds: records::seeds,
        short_run_inputs: 1_500_000,
    },
    Target {
        name: "streams",
        run: streams::run,
        seeds: streams::seeds,
        short_run_inputs: 8_000,
    },
];

impl Target {
    /// Where its checked-in inputs are.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(self.name)
    }

    /// Where inputs that failed are put.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("artifacts")
            .join(self.name)
    }
}
