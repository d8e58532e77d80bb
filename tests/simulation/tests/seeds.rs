//! Some hundred runs with all kinds of faults, all oracles on. `tests/soak` does as many as one likes.

use clap::ValueEnum as _;
use nexus_simulation::{
    faults::Kind,
    many::{Many, run_many},
};
use std::path::Path;

/// The seeds of this test. Another hundred takes a minute and a half on two cores.
const SEEDS: u64 = 200;
/// The named points at which a node has to crash in them.
const LEAST_POINTS: usize = 30;

#[test]
fn no_promise_is_broken_and_the_same_seed_gives_the_same_run() {
    let many =
        Many { first: 1, seeds: Some(SEEDS), longest: None, jobs: 2, repeat_every: 4, arguments: Vec::new() };
    let summary =
        run_many(Path::new(env!("CARGO_BIN_EXE_nexus-simulate")), &many).expect("the simulation starts");
    if let Some((seed, why)) = summary.failed {
        panic!("nexus-simulate --seed {seed} --tell shows it: {why}");
    }
    assert_eq!((summary.runs, summary.repeated), (SEEDS, SEEDS / 4));
    assert!(summary.hit.len() >= LEAST_POINTS, "nodes have crashed at {:?} only", summary.hit);
    let missing: Vec<&Kind> = Kind::value_variants()
        .iter()
        .filter(|kind| !summary.faults.contains_key(&format!("{kind:?}")))
        .collect();
    assert!(missing.is_empty(), "these faults have not happened: {missing:?}");
    let (compared, unknown) = summary.modelled;
    assert!(unknown * 20 < compared, "the model knows {compared} entries and does not know {unknown}");
    let (judged, undecided) = summary.opinions;
    assert!(judged > 0 && undecided * 100 < judged, "of {judged} objects {undecided} are undecided");
}
