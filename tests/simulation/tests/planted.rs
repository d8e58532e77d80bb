//! Each planted defect is found within a stated number of seeds, and by which oracle. A checker that has never failed
//! proves nothing.

use clap::ValueEnum as _;
use nexus_simulation::{many, planted::Planted};
use std::{path::Path, time::Duration};

/// The seeds within which each defect has to be found, and a word of what must be said of it.
fn expected(planted: Planted) -> (u64, &'static str) {
    match planted {
        Planted::CheckThenSet => (5, "files claimed"),
        Planted::QuotaCountedTwice => (5, "quota exceeded"),
        Planted::LeaseByWallClock | Planted::FastClusterTime | Planted::HeartbeatForgotten => (5, "lease"),
        Planted::NoReplyCache => (5, "first application"),
        Planted::RepliesNotStored => (5, ""),
        Planted::SlotReusedEarly => (5, ""),
        Planted::LostFsync | Planted::VoteForgotten => (10, ""),
        Planted::SnapshotWithoutLastEntry => (30, ""),
        Planted::EventNotStored => (5, "no event is missing"),
        Planted::EntrySkipped => (5, "differ"),
        Planted::StaleRead => (5, "linearizable"),
        Planted::ReplyBeforeCommit => (5, "in the log"),
        Planted::FenceReusedAfterRestore => (30, "the new cluster"),
        Planted::WriteRepeated => (10, "takes effect once"),
    }
}

#[test]
fn every_planted_defect_is_found() {
    let program = Path::new(env!("CARGO_BIN_EXE_nexus-simulate"));
    let mut wrong = Vec::new();
    for planted in Planted::value_variants() {
        let name = planted.to_possible_value().expect("each has a name").get_name().to_owned();
        let (seeds, word) = expected(*planted);
        let many = many::Many {
            first: 1,
            seeds: Some(seeds),
            longest: Some(Duration::from_secs(300)),
            // One after the other, so that it is always the same seed that finds it.
            jobs: 1,
            repeat_every: 0,
            arguments: vec![format!("--planted={name}")],
        };
        let summary = many::run_many(program, &many).expect("the simulation starts");
        let (seed, why) =
            summary.failed.unwrap_or_else(|| panic!("{name} is not found within {seeds} seeds"));
        println!("{name}: seed {seed}: {}", why.chars().take(200).collect::<String>());
        let is_expected = why.contains(word);
        wrong.extend((!is_expected).then(|| format!("{name}: {why}")));
    }
    assert!(wrong.is_empty(), "found for another reason than expected: {wrong:#?}");
}
