//! Dependencies: the allowed dependencies between crates, and a check that nothing is compiled twice.

use crate::root;
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

#[test]
fn no_crate_depends_on_a_forbidden_one() {
    // Dependencies between our crates, and external crates that only some may use.
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("nexus-domain", &[][..]),
        ("nexus-specification", &[]),
        ("nexus-corpora", &[]),
        ("nexus-oracles", &["nexus-domain"]),
        ("nexus-api-types", &["nexus-domain"]),
        ("nexus-raft-store", &["nexus-domain", "openraft", "rocksdb", "tokio"]),
        ("nexus-mcp", &["nexus-api-types"]),
        ("nexus-api", &["nexus-domain", "nexus-api-types", "nexus-mcp", "axum", "tokio"]),
        ("nexus-cli", &["nexus-api-types", "nexus-mcp", "tokio", "reqwest"]),
        (
            "nexus-node",
            &[
                "nexus-domain",
                "nexus-api-types",
                "nexus-raft-store",
                "nexus-api",
                "openraft",
                "axum",
                "tokio",
                "reqwest",
            ],
        ),
    ]);
    let kept = ["openraft", "rocksdb", "axum", "tokio", "reqwest", "rand"];
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec();
    let metadata = metadata.expect("cargo knows its own workspace");
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        // The tests may depend on all crates. A replacement of an external crate is used by the users of that crate.
        let is_of_tests = ["nexus-tests", "nexus-simulation", "nexus-seeded-entropy"].contains(&name);
        if is_of_tests || name == "base2histogram" {
            continue;
        }
        let allowed =
            allowed.get(name).unwrap_or_else(|| panic!("{name} is a new package: say what it may know"));
        seen.insert(name.to_owned());
        for dependency in &package.dependencies {
            let of = dependency.name.as_str();
            let is_watched = of.starts_with("nexus-") || (kept.contains(&of) && of != "rand");
            if dependency.kind == DependencyKind::Normal && is_watched {
                assert!(allowed.contains(&of), "{name} must not depend on {of}");
            }
            assert!(name != "nexus-domain" || of != "rand", "the rules know no randomness");
        }
    }
    assert_eq!(seen.len(), allowed.len(), "every package of the workspace was checked");
}

#[test]
fn openraft_has_no_tables_of_statistics() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("it is stored");
    let found: Vec<&str> =
        lock.split("[[package]]").filter(|it| it.contains("\"base2histogram\"\nv")).collect();
    assert_eq!(found.len(), 1, "openraft takes another version: see [patch] in Cargo.toml");
    assert!(!found[0].contains("source ="), "{}", found[0]);
}

/// The crates of a build of `packages`, each with its features.
fn crates_with_features(packages: &[&str]) -> BTreeSet<String> {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["tree", "--locked", "--offline", "--prefix", "none"]);
    cargo.args(["--edges", "normal,build", "--format", "{p} {f}"]).args(packages);
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("it is text");
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn tests_and_programs_share_what_was_compiled() {
    let (programs, all) = (
        crates_with_features(&["-p", "nexus-node", "-p", "nexus-cli"]),
        crates_with_features(&["--workspace"]),
    );
    let compiled_twice: Vec<&String> = programs.difference(&all).collect();
    assert!(compiled_twice.is_empty(), "the tests want other features of {compiled_twice:?}");
}
