//! How long a pick of 1,000 patterns takes to decide against 100,000 held ones, and how much
//! memory they take. Prints figures, asserts nothing.
//!
//! `cargo bench -p nexus-domain --bench pattern_index -- [file with one path per line]`

#![allow(clippy::unwrap_used, missing_docs)]

use nexus_domain::{
    WorkBudget,
    pattern::{Pattern, PatternIndex},
};
use std::{collections::BTreeSet, env, fs, hint::black_box, time::Instant};

const HELD: usize = 100_000;
const PICK: usize = 1_000;
const ROUNDS: usize = 300;

fn main() {
    // `cargo test --all-targets` runs it, too, and needs no figures.
    if !env::args().any(|argument| argument == "--bench") {
        return;
    }
    let paths = paths();
    let copies = 2 * HELD / paths.len() + 1;
    // Every path in many folders, every other one held.
    let all: Vec<Pattern> = (0..copies)
        .flat_map(|copy| paths.iter().map(move |path| pattern(&format!("team-{copy:03}/{path}"))))
        .collect();
    let before = resident_bytes();
    let mut index: PatternIndex<[u64; 3]> = PatternIndex::new();
    let started = Instant::now();
    for (number, claimed) in all.iter().step_by(2).take(HELD - 5_100).enumerate() {
        index.insert(&pattern(claimed.as_str()), [number as u64; 3]);
    }
    for number in 0..5_000_u64 {
        let folder = format!("team-{:03}/held-{number}/", number % copies as u64);
        index.insert(&pattern(&folder), [number; 3]);
    }
    for number in 0..90_u64 {
        let glob = format!("team-{:03}/generated/**/*.pb.go", number % copies as u64);
        index.insert(&pattern(&glob), [number; 3]);
    }
    println!("held: {} in {:?}", index.len(), started.elapsed());
    println!("memory: {:.1} MB", (resident_bytes().saturating_sub(before)) as f64 / 1e6);

    let mut random = Random(7);
    measure_picks(&index, &all, &mut random);
    println!("and with ten globs that may match anywhere:");
    for ending in ["lock", "toml", "snap", "png", "svg", "gif", "ico", "pdf", "zip", "gz"] {
        index.insert(&pattern(&format!("**/never-*.{ending}")), [0; 3]);
    }
    measure_picks(&index, &all, &mut random);

    let free: Vec<&Pattern> = all.iter().skip(1).step_by(2).collect();
    let mut times: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let from = random.below(free.len() - PICK);
            // Readers hold the old version, so that nothing may be changed in place.
            let _reader = index.clone();
            let mut next = index.clone();
            let started = Instant::now();
            for pattern in &free[from..from + PICK] {
                next.insert(pattern, [1; 3]);
            }
            started.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    println!("insert {PICK}: p50 {} µs, p99 {} µs", times[ROUNDS / 2], times[ROUNDS * 99 / 100]);

    let started = Instant::now();
    let found = index.overlapping(&pattern("**/*.nothing")).count();
    println!("one glob against all: {:?}, {found} found", started.elapsed());

    for (name, one, other) in [
        ("two globs", "src/**/*_test.rs".to_owned(), "src/*/auth_*.rs".to_owned()),
        (
            "two bracketed names",
            "app/[lang]/(dash)/[id]/page.tsx".to_owned(),
            "app/[lang]/(dash)/[id]/edit.tsx".to_owned(),
        ),
        ("glob and file", "src/**/*.rs".to_owned(), "src/core/storage/db.rs".to_owned()),
        ("64 stars", "abcdefghijklmn*".repeat(64) + "[b]", "abcdefghijklmn*".repeat(64) + "[c]"),
        ("64 stars and a file", "a*".repeat(64) + "[b]", "a".repeat(1_000)),
        ("1,000 bytes of brackets", "[!b]".repeat(250), "[!c]".repeat(249) + "[x]"),
        ("1,000 bytes of optional parts", "{,a*}".repeat(60) + "[b]", "{,a*}".repeat(60) + "[c]"),
    ] {
        let started = Instant::now();
        let parsed = (Pattern::parse(&one), Pattern::parse(&other));
        let reading = started.elapsed() / 2;
        let (Ok(one), Ok(other)) = parsed else {
            println!("{name}: refused in {reading:?}");
            continue;
        };
        let started = Instant::now();
        let overlaps = (0..100).filter(|_| black_box(&one).overlaps(black_box(&other))).count() > 0;
        println!("{name}: parse {reading:?}, overlaps ({overlaps}) {:?}", started.elapsed() / 100);
    }
}

/// Measures picks while every other pattern of `all` is held, from the first.
fn measure_picks(index: &PatternIndex<[u64; 3]>, all: &[Pattern], random: &mut Random) {
    let free: Vec<&Pattern> = all.iter().skip(1).step_by(2).collect();
    for (name, is_near) in [("neighbours", true), ("scattered", false)] {
        for conflicts in [0, 1] {
            let mut times: Vec<u128> = (0..ROUNDS)
                .map(|_| {
                    let mut picked = BTreeSet::new();
                    let from = random.below(free.len() - PICK);
                    if is_near {
                        picked.extend(free[from..from + PICK].iter().copied().cloned());
                    }
                    while picked.len() < PICK {
                        picked.insert(free[random.below(free.len())].clone());
                    }
                    if conflicts == 1 {
                        picked.insert(all[2 * random.below(HELD / 3)].clone());
                    }
                    let pick: Vec<Pattern> = picked.into_iter().collect();
                    let started = Instant::now();
                    let found = index.first_overlaps(&pick, 10, &mut WorkBudget::unlimited(), |_, _, _| true);
                    let found = black_box(found).unwrap();
                    let took = started.elapsed().as_micros();
                    assert_eq!(found.len(), conflicts);
                    took
                })
                .collect();
            times.sort_unstable();
            let (p50, p99) = (times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
            println!("{PICK} {name}, {conflicts} conflicts: p50 {p50} µs, p99 {p99} µs");
        }
    }
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

/// The paths of the given file, or made-up ones that are about as long and as deep.
fn paths() -> Vec<String> {
    match env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        Some(file) => fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect(),
        None => {
            (0..5_000).map(|n| format!("crates/part-{}/src/module_{}/file_{n}.rs", n % 23, n % 211)).collect()
        }
    }
}

/// Zero where there is no `/proc`.
fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4_096
}

/// Always the same numbers (a linear congruential generator, Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}
