//! Fuzzes [`nexus_domain::fuzzing::pattern`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_domain::fuzzing::pattern(data));
