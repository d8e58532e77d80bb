//! What the compiler cannot see: who may depend on whom, and what must not be left in the source.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

#[test]
fn nobody_depends_on_whom_they_may_not_know() {
    // Of ours, and of others what is kept to some.
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("nexus-domain", &[][..]),
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
        // The tests may know everybody, and what stands in for a crate of others is known to that crate's users.
        if name == "nexus-tests" || name == "base2histogram" {
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
    assert_eq!(seen.len(), allowed.len(), "every package of ours was looked at");
}

#[test]
fn openraft_has_no_tables_of_statistics() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("it is kept");
    let found: Vec<&str> =
        lock.split("[[package]]").filter(|it| it.contains("\"base2histogram\"\nv")).collect();
    assert_eq!(found.len(), 1, "openraft takes another version: see [patch] in Cargo.toml");
    assert!(!found[0].contains("source ="), "{}", found[0]);
}

/// The crates that programs are made of, each with its features, where cargo is asked for `packages`.
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

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["raft-store", "api", "node", "cli", "tests"].iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a source folder can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 50, "the sources are where they were");
    found
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    /// A file that is longer is two files.
    const LONGEST: usize = 520;
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        assert!(text.starts_with("//!"), "{} does not open by saying what it is", path.display());
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_rules_know_no_clock_no_chance_and_no_order_by_chance() {
    let folder = root().join("raft-store/domain/src");
    for path in sources().into_iter().filter(|path| path.starts_with(&folder)) {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        for forbidden in
            ["std::time", "SystemTime", "Instant::now", "HashMap", "HashSet", "now_v7", "std::fs", "std::net"]
        {
            assert!(!text.contains(forbidden), "{} mentions {forbidden}", path.display());
        }
    }
}

/// A document, named by its path from the root.
fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

#[test]
fn every_metric_and_every_setting_is_documented() {
    let monitoring = document("docs/monitoring.md");
    let metrics = fs::read_to_string(root().join("api/src/metrics.rs")).expect("metrics are in one file");
    let names = metrics.split('"').filter(|text| text.starts_with("nexus_"));
    let missing: Vec<&str> = names.filter(|name| !monitoring.contains(name)).collect();
    assert!(missing.is_empty(), "docs/monitoring.md does not mention {missing:?}");
    let configuration = document("docs/configuration.md");
    let args = fs::read_to_string(root().join("node/src/args.rs")).expect("flags are in one file");
    let variables = args.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let variables: Vec<&str> = variables.collect();
    assert!(variables.len() > 10, "the flags are where they were");
    let missing: Vec<&&str> = variables.iter().filter(|name| !configuration.contains(**name)).collect();
    assert!(missing.is_empty(), "docs/configuration.md does not mention {missing:?}");
}

#[test]
fn the_readme_is_short() {
    /// A reader decides on a few screens whether to go on.
    const LONGEST: usize = 200;
    let lines = document("README.md").lines().count();
    assert!(lines <= LONGEST, "README.md has {lines} lines: details belong into docs/");
}

/// The documents that a reader meets, as paths from the root.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(str::to_owned).into();
    for entry in fs::read_dir(root().join("docs")).expect("there are documents").flatten() {
        let name = entry.file_name().into_string().expect("documents have plain names");
        if name.ends_with(".md") {
            found.push(format!("docs/{name}"));
        }
    }
    assert!(found.len() > 3, "the documents are where they were");
    found
}

/// The lines of a document outside of its code: neither fenced nor indented by four blanks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence && !line.starts_with("    ")
    })
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let titles = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |letter: char| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then_some(letter),
    };
    titles.map(|title| title.chars().filter_map(kept).collect()).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for name in documents() {
        let text = document(&name);
        let folder = Path::new(&name).parent().expect("a file is in a folder");
        for line in prose(&text) {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            for target in targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")) {
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = if file.is_empty() { root().join(&name) } else { root().join(folder).join(file) };
                let leads = path.exists()
                    && (anchor.is_empty()
                        || fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(anchor)));
                if !leads {
                    wrong.push(format!("{name}: {target}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere: {wrong:#?}");
}
