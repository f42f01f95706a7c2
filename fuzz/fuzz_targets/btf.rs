//! Coverage-guided run of the target `btf`; its body is `detector_fuzz::btf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| detector_fuzz::btf::run(bytes));
