//! Agents collide on files, folders and globs, through any node, and the refusal names the holder.

use nexus_tests::{Cluster, Team};
use serde_json::json;

#[tokio::test]
async fn agents_of_the_same_and_of_other_engineers_collide_alike_through_any_node() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let (ana, ben) = (team.engineer("ana").await, team.engineer("ben").await);
    let urls = cluster.urls();
    let cases =
        [("one/a.rs", "one/a.rs"), ("src/b.rs", "src/"), ("lib/x/y.rs", "lib/**/*.rs"), ("doc/", "doc/a.md")];
    for (case, (held, wanted)) in cases.into_iter().enumerate() {
        let (first, second) = (format!("held-{case}"), format!("wanted-{case}"));
        team.ready_feature(&first, &[held]).await;
        team.ready_feature(&second, &[wanted]).await;
        let build = team.agent(&ana.client.via(&urls[case % 3]), &format!("build-{case}")).await;
        let picked = build.post(&team.path(&format!("/features/{first}/pick")), json!({})).await;
        assert_eq!(picked.data()["status"], "active");
        assert_eq!(picked.data()["claims"][0]["filePath"], held);
        let fence = picked.data()["fence"].as_u64().expect("a fence");
        assert_eq!(picked.data()["claims"][0]["fence"], fence);

        let test = team.agent(&ana.client, &format!("test-{case}")).await;
        for (node, rival) in [(1, &test), (2, &ben.client)] {
            let rival = rival.via(&urls[(case + node) % 3]);
            let refused = rival.post(&team.path(&format!("/features/{second}/pick")), json!({})).await;
            assert_eq!(
                (refused.status.as_u16(), refused.code()),
                (409, "FILE_ALREADY_CLAIMED"),
                "{held} {wanted}"
            );
            let conflict = &refused.body["error"]["details"]["conflicts"][0];
            assert_eq!(conflict["filePath"], held);
            assert_eq!(conflict["claimedBy"]["engineerId"], ana.id.as_str());
            assert_eq!(conflict["claimedBy"]["engineerName"], "ana");
            assert_eq!(conflict["claimedBy"]["agent"], format!("build-{case}"));
            assert_eq!(conflict["claimedBy"]["featureSlug"], first.as_str());
            assert!(
                conflict["claimedBy"]["sessionId"].is_string()
                    && conflict["claimedBy"]["expiresAt"].is_string()
            );
            assert!(refused.message().contains("file conflicts with"), "{}", refused.message());
        }
        // The same session never collides with itself.
        build.post(&team.path(&format!("/features/{second}/pick")), json!({})).await.data();
    }
}

#[tokio::test]
async fn one_of_many_racing_agents_wins_and_the_others_learn_the_holder() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("prize", &["src/only.rs"]).await;
    let urls = cluster.urls();
    let mut racers = tokio::task::JoinSet::new();
    for number in 0..24 {
        let (team, url) = (team.clone(), urls[number % 3].clone());
        racers.spawn(async move {
            let agent = team.agent(&team.admin.via(url), &format!("racer-{number}")).await;
            agent.post(&team.path("/features/prize/pick"), json!({})).await
        });
    }
    let answers = racers.join_all().await;
    let won = answers.iter().filter(|answer| answer.status.is_success()).count();
    let lost = answers.iter().filter(|answer| answer.code() == "FEATURE_ALREADY_CLAIMED").count();
    assert_eq!((won, lost), (1, 23));
}

#[tokio::test]
async fn only_the_holder_may_release_or_finish_and_others_learn_the_holder() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let (ana, ben) = (team.engineer("ana").await, team.engineer("ben").await);
    team.ready_feature("one", &["a"]).await;
    let build = team.agent(&ana.client, "build").await;
    let test = team.agent(&ana.client, "test").await;
    build.post(&team.path("/features/one/pick"), json!({})).await.data();
    for (stranger, step) in
        [(&test, "release"), (&test, "done"), (&ben.client, "release"), (&ben.client, "done")]
    {
        let refused = stranger.post(&team.path(&format!("/features/one/{step}")), json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"));
        assert!(refused.message().contains("ana"), "{}", refused.message());
    }
    // Without a session, engineers act for all of their own sessions.
    let released = ana.client.post(&team.path("/features/one/release"), json!({})).await;
    assert_eq!(released.data()["status"], "ready");
    assert_eq!(team.admin.get(&team.path("/claims")).await.data(), &json!([]));
    build.post(&team.path("/features/one/pick"), json!({})).await.data();
    let done = build.post(&team.path("/features/one/done"), json!({})).await;
    assert_eq!(done.data()["status"], "done");
    let again = build.post(&team.path("/features/one/pick"), json!({})).await;
    assert_eq!((again.status.as_u16(), again.code()), (400, "INVALID_STATUS_TRANSITION"));
}
