//! The whole command line against a living cluster, as it is typed and seen: `transcripts/*.txt`, one
//! cluster each. `NEXUS_BLESS=1` writes anew what is seen; read it before you believe it.

use nexus_tests::{Cluster, transcript::TranscriptRunner};
use std::{env, fs, path::Path};

async fn goes_as_it_is_told(name: &str) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/transcripts").join(format!("{name}.txt"));
    let told = fs::read_to_string(&file).expect("there is a transcript");
    let cluster = Cluster::start(3).await;
    let happened = TranscriptRunner::of(&cluster).await.play(&told);
    if env::var_os("NEXUS_BLESS").is_some() {
        fs::write(&file, &happened).expect("the transcript can be written");
        return;
    }
    for (at, (told, happened)) in told.lines().zip(happened.lines()).enumerate() {
        assert_eq!(told, happened, "{name}.txt line {}; NEXUS_BLESS=1 writes it anew", at + 1);
    }
    assert_eq!(told.lines().count(), happened.lines().count(), "{name}.txt; NEXUS_BLESS=1 writes it anew");
}

#[tokio::test]
async fn registering_logging_in_and_keys() {
    goes_as_it_is_told("engineers").await;
}

#[tokio::test]
async fn projects_and_who_is_in_them() {
    goes_as_it_is_told("projects").await;
}

#[tokio::test]
async fn features_from_draft_to_deletion() {
    goes_as_it_is_told("features").await;
}

#[tokio::test]
async fn a_day_of_work() {
    goes_as_it_is_told("work").await;
}

#[tokio::test]
async fn the_roadmap() {
    goes_as_it_is_told("roadmap").await;
}

#[tokio::test]
async fn what_happened_is_told() {
    goes_as_it_is_told("events").await;
}

#[tokio::test]
async fn looking_after_a_cluster() {
    goes_as_it_is_told("cluster").await;
}

#[tokio::test]
async fn no_server_answers() {
    goes_as_it_is_told("unreachable").await;
}
