//! A short soak: agents work while leaders are killed and while everything fails at once, and the oracles that judge
//! simulations find no broken promise. `tests/soak --processes` goes on for as long as one likes.

use nexus_tests::soak::{
    episode::{Plan, run},
    report::Report,
};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_under_all_faults_at_once_are_never_promised_too_much() {
    let folder = tempfile::tempdir().expect("a folder for the history");
    let seed = rand::random();
    let plan = Plan {
        seed,
        kills: Duration::from_secs(5),
        faults: Duration::from_secs(20),
        history: folder.path().join("history.jsonl"),
    };
    let episode = run(&plan).await.expect("an episode can be carried out");
    let did_enough = episode.judgement.entries.is_none_or(|entries| entries > 200)
        && episode.judgement.modelled.0 > 200
        && episode.judgement.leases.0 > 10;
    let report = Report { episodes: vec![episode] };
    println!("{report}");
    assert!(report.is_good(), "seed {seed}: {report}");
    assert!(did_enough, "an episode that did so little proves nothing: {report}");
}
