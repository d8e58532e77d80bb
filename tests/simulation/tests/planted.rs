//! Each planted defect is found within a stated number of seeds, and by which oracle. A checker that has never failed
//! proves nothing.

use clap::ValueEnum as _;
use nexus_simulation::{many, planted::Planted};
use std::{path::Path, time::Duration};

/// The seeds within which each defect has to be found, and words of which one must be said of it.
fn expected(planted: Planted) -> (u64, &'static [&'static str]) {
    match planted {
        Planted::CheckThenSet => (5, &["files claimed"]),
        Planted::QuotaCountedTwice => (5, &["quota exceeded"]),
        Planted::LeaseByWallClock | Planted::FastClusterTime => (5, &["lease"]),
        // Files of a session that was renewed are given away.
        Planted::HeartbeatForgotten => (5, &["lease", "files claimed"]),
        Planted::NoReplyCache => (5, &["first application", "takes effect once"]),
        Planted::RepliesNotStored | Planted::SlotReusedEarly => (5, &[""]),
        Planted::LostFsync | Planted::VoteForgotten => (10, &[""]),
        Planted::SnapshotWithoutLastEntry => (30, &[""]),
        Planted::EventNotStored => (5, &["no event is missing"]),
        // The nodes whose state is another one than that of most others fence themselves.
        Planted::EntrySkipped => (5, &["differ", "not every node is a member"]),
        Planted::StaleRead => (5, &["linearizable"]),
        Planted::ReplyBeforeCommit => (5, &["in the log"]),
        Planted::FenceReusedAfterRestore => (30, &["the new cluster"]),
        Planted::WriteRepeated => (10, &["takes effect once"]),
    }
}

/// The seeds within which the second opinion alone finds a defect. `None` if no client has seen the defect in twenty
/// seeds, or if it is one of feeds, which the second opinion does not look at.
const fn found_by_second_opinion(planted: Planted) -> Option<u64> {
    match planted {
        Planted::CheckThenSet
        | Planted::LeaseByWallClock
        | Planted::FastClusterTime
        | Planted::StaleRead
        | Planted::ReplyBeforeCommit
        | Planted::WriteRepeated => Some(5),
        Planted::NoReplyCache => Some(30),
        Planted::HeartbeatForgotten
        | Planted::QuotaCountedTwice
        | Planted::FenceReusedAfterRestore
        | Planted::RepliesNotStored
        | Planted::SlotReusedEarly
        | Planted::LostFsync
        | Planted::VoteForgotten
        | Planted::SnapshotWithoutLastEntry
        | Planted::EventNotStored
        | Planted::EntrySkipped => None,
    }
}

/// Runs seeds with a defect, one after the other, so that it is always the same one that finds it.
fn first_found(planted: Planted, seeds: u64, further: &[&str]) -> Option<(u64, String)> {
    let name = planted.to_possible_value().expect("each has a name").get_name().to_owned();
    let further = further.iter().map(|argument| (*argument).to_owned());
    let many = many::Many {
        first: 1,
        seeds: Some(seeds),
        longest: Some(Duration::from_secs(300)),
        jobs: 1,
        repeat_every: 0,
        arguments: further.chain([format!("--planted={name}")]).collect(),
    };
    let program = Path::new(env!("CARGO_BIN_EXE_nexus-simulate"));
    let summary = many::run_many(program, &many).expect("the simulation starts");
    if let Some((seed, why)) = &summary.failed {
        println!("{name} {}: seed {seed}: {}", many.arguments[0], why.chars().take(200).collect::<String>());
    }
    summary.failed
}

#[test]
fn the_second_opinion_alone_finds_what_clients_have_seen() {
    for planted in Planted::value_variants() {
        if let Some(seeds) = found_by_second_opinion(*planted) {
            let (_, why) = first_found(*planted, seeds, &["--second-opinion"])
                .unwrap_or_else(|| panic!("{planted:?} is not found within {seeds} seeds"));
            assert!(why.starts_with("holders: "), "{planted:?}: {why}");
        }
    }
}

#[test]
fn every_planted_defect_is_found() {
    let mut wrong = Vec::new();
    for planted in Planted::value_variants() {
        let (seeds, words) = expected(*planted);
        let (_, why) = first_found(*planted, seeds, &[])
            .unwrap_or_else(|| panic!("{planted:?} is not found within {seeds} seeds"));
        wrong.extend((!words.iter().any(|word| why.contains(word))).then(|| format!("{planted:?}: {why}")));
    }
    assert!(wrong.is_empty(), "found for another reason than expected: {wrong:#?}");
}
