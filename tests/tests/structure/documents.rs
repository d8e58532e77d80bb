//! Documents: the metrics and settings that they must mention, their length, their glossary, and the targets of their
//! links.

use crate::root;
use std::{collections::BTreeSet, fs, path::Path};

/// A document, named by its path from the root.
fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

#[test]
fn every_metric_and_every_setting_is_documented() {
    let monitoring = document("docs/monitoring.md");
    let metrics = document("api/src/metrics.rs") + &document("api/src/metrics/measured.rs");
    let names = metrics.split('"').filter(|text| text.starts_with("nexus_"));
    let missing: Vec<&str> = names.filter(|name| !monitoring.contains(name)).collect();
    assert!(missing.is_empty(), "docs/monitoring.md does not mention {missing:?}");
    let configuration = document("docs/configuration.md");
    let args = fs::read_to_string(root().join("node/src/settings/args.rs")).expect("flags are in one file");
    let variables = args.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let variables: Vec<&str> = variables.collect();
    assert!(variables.len() > 10, "the flags were found");
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

#[test]
fn the_glossary_is_short_and_names_the_file_of_each_term() {
    /// More terms than this are a language of its own.
    const MOST: usize = 25;
    let architecture = document("ARCHITECTURE.md");
    let glossary = architecture.split("\n## ").find(|part| part.starts_with("Glossary"));
    let rows = glossary.expect("it has a glossary").lines().filter(|line| line.starts_with("| ")).skip(2);
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split('|').map(str::trim).collect()).collect();
    assert!((1..=MOST).contains(&rows.len()), "the glossary has {} terms", rows.len());
    for row in rows {
        let files: Vec<String> = row[3].split(", ").map(document).collect();
        for term in row[1].split('`').skip(1).step_by(2) {
            assert!(files.iter().any(|file| file.contains(term)), "{term} is not in {}", row[3]);
        }
    }
}

/// The paths of all documents, from the root.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(str::to_owned).into();
    for folder in ["docs", "docs/runbooks"] {
        for entry in fs::read_dir(root().join(folder)).expect("there are documents").flatten() {
            let name = entry.file_name().into_string().expect("documents have plain names");
            if name.ends_with(".md") {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    assert!(found.len() > 3, "the documents were found");
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
