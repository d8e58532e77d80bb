//! Hands the version to `nexus --version`, with the commit where it is known. Never fails: a build
//! without git has the plain version.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=NEXUS_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    // HEAD changes with a checkout, its log with every commit.
    for path in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", path]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    // A container image is built without the history: its build may pass the commit as a variable.
    let commit = env::var("NEXUS_COMMIT").ok().or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    match commit.filter(|commit| !commit.is_empty()) {
        Some(commit) => println!("cargo::rustc-env=NEXUS_VERSION={version} ({commit})"),
        None => println!("cargo::rustc-env=NEXUS_VERSION={version}"),
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
