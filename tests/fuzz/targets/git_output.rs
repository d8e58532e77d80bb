//! Fuzzes [`nexus_cli::fuzzing::git_output`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nexus_cli::fuzzing::git_output(data));
