//! The rules as stories: each file in `stories/` is a script that can be read without Rust.
//!
//! A line that begins with `>` is an entry of the log. The indented lines beneath it are its outcome: the answer, the
//! public events, the documents. All other lines are prose. `NEXUS_BLESS=1 cargo test -p nexus-domain --test stories`
//! rewrites the outcomes.
#![allow(clippy::unwrap_used)]

mod story;

use std::{env, fs, path::Path};
use story::World;

#[test]
fn every_story_has_the_expected_outcomes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are stories");
    let mut differing = Vec::new();
    for file in files {
        let expected = fs::read_to_string(&file).unwrap();
        let happened = play(&expected);
        if expected == happened {
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if env::var_os("NEXUS_BLESS").is_some() {
            fs::write(&file, &happened).unwrap();
        } else {
            differing.push(format!("{name}:\n{}", first_difference(&expected, &happened)));
        }
    }
    assert!(differing.is_empty(), "{}\nNEXUS_BLESS=1 rewrites the stories", differing.join("\n"));
}

/// The script with its outcomes.
fn play(script: &str) -> String {
    let mut world = World::default();
    let mut happened = String::new();
    for line in script.lines().filter(|line| !line.starts_with("  ")) {
        happened.push_str(line);
        happened.push('\n');
        if let Some(entry) = line.strip_prefix('>') {
            for outcome in world.play(entry.trim()) {
                happened.push_str(&format!("  {outcome}\n"));
            }
        }
    }
    happened
}

fn first_difference(expected: &str, happened: &str) -> String {
    let differs = |(_, (expected, happened)): &(usize, (&str, &str))| expected != happened;
    match expected.lines().zip(happened.lines()).enumerate().find(differs) {
        Some((at, (expected, happened))) => {
            format!("  line {}\n  expected: {expected}\n  happened: {happened}", at + 1)
        }
        None => {
            format!("  {} lines expected, {} happened", expected.lines().count(), happened.lines().count())
        }
    }
}
