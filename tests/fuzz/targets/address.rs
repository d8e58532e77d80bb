//! Runs [`nexus_node::fuzzing::address`] in a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_node::fuzzing::address(data));
