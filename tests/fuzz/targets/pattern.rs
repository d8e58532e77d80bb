//! Runs [`nexus_domain::fuzzing::pattern`] in a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_domain::fuzzing::pattern(data));
