//! Runs [`nexus_cli::fuzzing::hook`] in a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_cli::fuzzing::hook(data));
