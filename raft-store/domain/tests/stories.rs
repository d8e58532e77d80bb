//! The rules as stories: each file in `stories/` is a script that reads without Rust.
//!
//! A line that begins with `>` is an entry of the log; the indented lines beneath it are what came
//! of it: the answer, the public events, the documents. Everything else is prose.
//! `NEXUS_BLESS=1 cargo test -p nexus-domain --test stories` writes the outcomes anew.
#![allow(clippy::unwrap_used)]

mod story;

use std::{env, fs, path::Path};
use story::World;

#[test]
fn every_story_goes_as_it_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are stories");
    let mut differing = Vec::new();
    for file in files {
        let told = fs::read_to_string(&file).unwrap();
        let happened = play(&told);
        if told == happened {
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if env::var_os("NEXUS_BLESS").is_some() {
            fs::write(&file, &happened).unwrap();
        } else {
            differing.push(format!("{name}:\n{}", first_difference(&told, &happened)));
        }
    }
    assert!(differing.is_empty(), "{}\nNEXUS_BLESS=1 rewrites the stories", differing.join("\n"));
}

/// The script with what happens in it.
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

fn first_difference(told: &str, happened: &str) -> String {
    let differs = |(_, (told, happened)): &(usize, (&str, &str))| told != happened;
    match told.lines().zip(happened.lines()).enumerate().find(differs) {
        Some((at, (told, happened))) => {
            format!("  line {}\n  told:     {told}\n  happened: {happened}", at + 1)
        }
        None => format!("  {} lines told, {} happened", told.lines().count(), happened.lines().count()),
    }
}
