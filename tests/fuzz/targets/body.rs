//! Runs [`nexus_api::fuzzing::body`] in a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_api::fuzzing::body(data));
