//! Coverage-guided run of the target `kmsg`; its body is `detector_fuzz::kmsg`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| detector_fuzz::kmsg::run(bytes));
