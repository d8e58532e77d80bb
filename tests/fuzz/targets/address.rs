//! Fuzzes [`nexus_node::fuzzing::address`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_node::fuzzing::address(data));
