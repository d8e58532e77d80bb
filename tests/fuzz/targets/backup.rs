//! Runs [`nexus_raft_store::fuzzing::backup`] in a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_raft_store::fuzzing::backup(data));
