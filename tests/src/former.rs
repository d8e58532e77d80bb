//! The nexusd of the last landed version, which runs beside the present one in stories of upgrades.

use crate::{programs::binary, skipped};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The commit that the program is built of.
pub const COMMIT: &str = include_str!("../former/commit");

/// The newest rules that it knows.
pub const RULES: u64 = 4;

/// The exit code of the build where the history lacks the commit.
const NO_HISTORY: i32 = 3;

/// The former nexusd. `None` where the history has not got its commit, which is reported as a skipped test.
///
/// # Panics
/// When it cannot be built.
pub fn former_nexusd() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("former").join("build");
        let output = Command::new(build).output().expect("tests/former/build can be run");
        if output.status.code() == Some(NO_HISTORY) {
            return None;
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    });
    if built.is_none() {
        skipped(format_args!(
            "the history has no commit {}, which an upgrade would begin with",
            COMMIT.trim()
        ));
    }
    built.clone()
}

/// The newest rules that the present nexusd knows.
///
/// # Panics
/// When it does not say so.
pub fn present_rules() -> u64 {
    let output =
        Command::new(binary("nexusd")).args(["version", "--json"]).output().expect("nexusd can be run");
    let build: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    build["rules"].as_u64().expect("it knows rules")
}
