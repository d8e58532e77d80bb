//! Fuzzes [`nexus_node::fuzzing::settings`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_node::fuzzing::settings(data));
