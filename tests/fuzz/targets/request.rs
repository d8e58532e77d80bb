//! Runs [`nexus_api::fuzzing::request`] in a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_api::fuzzing::request(data));
