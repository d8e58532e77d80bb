//! The programs that these tests were built with.

use std::path::PathBuf;

/// The program of this name.
///
/// # Panics
/// When it was not built.
pub fn binary(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a test knows its own path");
    // target/release/deps/test-0123 → target/release/nexusd
    let found = here.ancestors().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built; tests/run builds it, and runs the tests"))
}
