//! How long a step of a work budget takes, for each kind of work that a client can cause. The limits in `work.rs`
//! follow from it. Prints figures, asserts nothing about time.
//!
//! `cargo bench -p nexus-domain --bench steps`

#![allow(clippy::unwrap_used, missing_docs)]

use nexus_domain::{
    WorkBudget,
    pattern::{Pattern, PatternIndex},
};
use std::{env, time::Instant};

fn main() {
    // `cargo test --all-targets` runs it, too, and needs no figures.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let stars = |end: &str| "*a".repeat(14) + end;
    let wild: Vec<String> = (0..100).map(|n| stars(&format!("[x]{}", n % 7))).collect();
    measure("globs with many stars against the same", &wild, &wild);
    let optional: Vec<String> = (0..100).map(|n| "{,a}".repeat(20) + &format!("[{n}]")).collect();
    measure("globs with optional parts against the same", &optional, &optional);
    let everyday: Vec<String> = (0..100).map(|n| format!("src/**/part{n}*/*_test.{{ts,tsx}}")).collect();
    measure("everyday globs against the same", &everyday, &everyday);
    let classes: Vec<String> = (0..100).map(|n| format!("*{}*{n}", class())).collect();
    measure("globs with a class of 300 characters", &classes, &classes);
    let long: Vec<String> = (0..1_000).map(|n| format!("{}/{n}a", "a".repeat(1_000))).collect();
    measure("long files against globs with many stars", &long, &[stars("**/*a")]);
    let files: Vec<String> =
        (0..10_000).map(|n| format!("crates/part-{}/src/file_{n}.rs", n / 100)).collect();
    let ended: Vec<String> = (0..500).map(|n| format!("**/never-{n}-*.rs")).collect();
    measure("files against globs with their ending", &files, &ended);
    measure("globs against files", &ended, &files);
    let deep: Vec<String> =
        (0..10_000).map(|n| format!("{}{n}", format!("{}/", n % 7).repeat(400))).collect();
    measure("deep files in many folders", &deep, &deep.iter().rev().cloned().collect::<Vec<_>>());
    let names: Vec<String> = (0..300).map(|n| format!("app/[id]/[name]/page{n}.tsx")).collect();
    measure("bracketed names against the same", &names, &names);
}

/// A class of characters that are no neighbours.
fn class() -> String {
    let chars = (0..300_u32).map(|n| char::from_u32(0x4e00 + 2 * n).unwrap());
    format!("[{}]", chars.collect::<String>())
}

fn measure(name: &str, wanted: &[String], held: &[String]) {
    let parse = |texts: &[String]| -> Vec<Pattern> {
        texts.iter().filter_map(|text| Pattern::parse(text).ok()).collect()
    };
    let began = Instant::now();
    let wanted = parse(wanted);
    let reading = began.elapsed();
    let mut index = PatternIndex::new();
    for (holder, pattern) in parse(held).iter().enumerate() {
        index.insert(pattern, holder);
    }
    let mut work = WorkBudget::unlimited();
    let began = Instant::now();
    let found = index.first_overlaps(&wanted, usize::MAX, &mut work, |_, _, _| false).unwrap();
    let took = began.elapsed();
    assert!(found.is_empty());
    println!(
        "{name}: {} read in {reading:?}, {} held; {} steps in {took:?}, {:.2} ns each",
        wanted.len(),
        index.len(),
        work.used(),
        took.as_nanos() as f64 / work.used() as f64
    );
}
