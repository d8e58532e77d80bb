//! Fuzzes [`nexus_cli::fuzzing::hook`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_cli::fuzzing::hook(data));
