//! Coverage-guided run of the target `records`; its body is `detector_fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| detector_fuzz::records::run(bytes));
