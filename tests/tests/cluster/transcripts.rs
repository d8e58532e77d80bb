//! Runs the transcripts of the command line, `transcripts/*.txt`, each against a cluster of its own. `NEXUS_BLESS=1`
//! rewrites the outputs: review them before you commit them.

use nexus_tests::{Cluster, transcript::TranscriptRunner};
use std::{env, fs, path::Path};

async fn happens_as_written(name: &str) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/transcripts").join(format!("{name}.txt"));
    let expected = fs::read_to_string(&file).expect("there is a transcript");
    let cluster = Cluster::start(3).await;
    let actual = TranscriptRunner::of(&cluster).await.play(&expected);
    if env::var_os("NEXUS_BLESS").is_some() {
        fs::write(&file, &actual).expect("the transcript can be written");
        return;
    }
    for (at, (expected, actual)) in expected.lines().zip(actual.lines()).enumerate() {
        assert_eq!(expected, actual, "{name}.txt line {}; NEXUS_BLESS=1 rewrites it", at + 1);
    }
    assert_eq!(expected.lines().count(), actual.lines().count(), "{name}.txt; NEXUS_BLESS=1 rewrites it");
}

#[tokio::test]
async fn registering_logging_in_and_keys() {
    happens_as_written("engineers").await;
}

#[tokio::test]
async fn people_their_keys_and_their_rights() {
    happens_as_written("people").await;
}

#[tokio::test]
async fn the_command_line_from_before_the_cluster() {
    happens_as_written("old_command_line").await;
}

#[tokio::test]
async fn projects_and_their_members() {
    happens_as_written("projects").await;
}

#[tokio::test]
async fn features_from_draft_to_deletion() {
    happens_as_written("features").await;
}

#[tokio::test]
async fn a_day_of_work() {
    happens_as_written("work").await;
}

#[tokio::test]
async fn the_roadmap() {
    happens_as_written("roadmap").await;
}

#[tokio::test]
async fn the_history_of_a_project() {
    happens_as_written("events").await;
}

#[tokio::test]
async fn operating_a_cluster() {
    happens_as_written("cluster").await;
}

#[tokio::test]
async fn no_server_answers() {
    happens_as_written("unreachable").await;
}

#[tokio::test]
async fn mistakes_that_newcomers_make() {
    happens_as_written("mistakes").await;
}
