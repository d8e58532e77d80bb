//! Runs [`nexus_raft_store::fuzzing::record`] in a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_raft_store::fuzzing::record(data));
