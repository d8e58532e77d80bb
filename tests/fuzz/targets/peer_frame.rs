//! Runs [`nexus_node::fuzzing::peer_frame`] in a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_node::fuzzing::peer_frame(data));
