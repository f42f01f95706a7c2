//! Coverage-guided run of the target `streams`; its body is `detector_fuzz::streams`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| detector_fuzz::streams::run(bytes));
