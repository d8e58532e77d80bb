//! Storage is limited in bytes, for each project and engineer, and deleted data is gone on every node.

use nexus_tests::{Cluster, Team, eventually};
use serde_json::{Value, json};

/// The usage of a resource by an owner, from the status.
fn used(status: &Value, owner: &str, resource: &str) -> u64 {
    let quotas = status["quotas"].as_array().expect("the status has quotas");
    let of = quotas.iter().find(|quota| quota["owner"] == owner && quota["resource"] == resource);
    of.and_then(|quota| quota["used"].as_u64())
        .unwrap_or_else(|| panic!("no {owner} {resource} in {quotas:?}"))
}

#[tokio::test]
async fn an_engineer_who_stores_too_much_is_refused_with_the_quota_and_others_go_on() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ben = team.engineer("ben").await.client;
    team.settings(json!({ "quota.engineer.memory": 1 << 20, "quota.engineer.projects": 1 })).await;
    let settings = team.admin.get("/cluster/settings").await;
    assert_eq!(settings.data()["quota.engineer.memory"], 1 << 20);
    assert_eq!(settings.data()["quota.project.memory"], 256 << 20);

    let touching = |slug: &str, count: usize| {
        let touches: Vec<String> = (0..count).map(|n| format!("{slug}/{n}.rs")).collect();
        json!({ "slug": slug, "title": slug, "spec": "text", "touches": touches })
    };
    let features = team.path("/features");
    assert_eq!(ben.post(&features, touching("first", 8_000)).await.status.as_u16(), 201);
    let refused = ben.post(&features, touching("second", 8_000)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"));
    let quota = &refused.body["error"]["details"]["quota"];
    assert_eq!((&quota["setting"], &quota["quota"]), (&json!("quota.engineer.memory"), &json!(1 << 20)));
    assert!(refused.message().contains("raise quota.engineer.memory"), "{}", refused.message());
    // Engineers within their own quotas go on.
    let eva = team.engineer("eva").await.client;
    assert_eq!(eva.post(&features, touching("second", 5_000)).await.status.as_u16(), 201);
    // Work on stored features goes on, too.
    assert_eq!(ben.post(&team.path("/features/first/ready"), json!({})).await.status.as_u16(), 200);

    let status = team.admin.get("/cluster/status").await;
    assert!(used(status.data(), "cluster", "memory") > 13_000 * 100);
    assert!(
        used(status.data(), "engineer", "memory") > 8_000 * 100,
        "the quota with the highest usage is first"
    );
    let metrics = reqwest::get(format!("{}/metrics", cluster.urls()[0])).await.expect("it answers");
    let metrics = metrics.text().await.expect("it is text");
    let fullest = metrics.lines().find_map(|line| line.strip_prefix("nexus_quota_fullest_ratio "));
    assert!(fullest.is_some_and(|share| share.parse::<f64>().is_ok_and(|share| share > 0.5)), "{fullest:?}");

    // A cancelled and deleted feature no longer counts.
    assert_eq!(ben.post(&team.path("/features/first/cancel"), json!({})).await.status.as_u16(), 200);
    assert_eq!(eva.delete(&team.path("/finished/first")).await.code(), "INSUFFICIENT_ROLE");
    assert_eq!(ben.delete(&team.path("/finished/first")).await.data()["deleted"], true);
    assert_eq!(ben.get(&team.path("/features/first")).await.code(), "NOT_FOUND");
    assert_eq!(ben.post(&features, touching("third", 8_000)).await.status.as_u16(), 201);

    let project = |slug: &str| json!({ "name": slug, "slug": slug });
    assert_eq!(ben.post("/projects", project("one")).await.status.as_u16(), 201);
    assert!(ben.post("/projects", project("two")).await.message().contains("quota of projects is full"));
}

#[tokio::test]
async fn a_deleted_project_is_gone_on_every_node_with_its_texts_and_events() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ben = team.engineer("ben").await.client;
    let made = ben.post("/projects", json!({ "name": "Doomed", "slug": "doomed" })).await;
    let path = format!("/projects/{}", made.data()["id"].as_str().expect("an id"));
    let feature = json!({ "slug": "billing", "title": "Billing", "spec": "long", "touches": ["src/"] });
    ben.post(&format!("{path}/features"), feature).await;
    ben.post(&format!("{path}/features/billing/ready"), json!({})).await;
    assert_eq!(ben.post(&format!("{path}/features/billing/pick"), json!({})).await.status.as_u16(), 200);
    ben.post(&format!("{path}/features/billing/learnings"), json!({ "content": "gone soon" })).await;
    let member = team.engineer("eva").await;
    assert_eq!(member.client.delete(&path).await.status.as_u16(), 403);

    assert_eq!(ben.delete(&path).await.data()["deleted"], true);
    for url in cluster.urls() {
        let ben = ben.via(&url);
        for rest in ["", "/features", "/events?since=0", "/status"] {
            assert_eq!(ben.get(&format!("{path}{rest}")).await.code(), "NOT_FOUND", "{rest}");
        }
    }
    assert_eq!(ben.post("/projects", json!({ "name": "Next", "slug": "doomed" })).await.status.as_u16(), 201);
    eventually("nothing of it is counted any more", || async {
        let status = ben.get("/cluster/status").await;
        (used(status.data(), "engineer", "texts") == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_retry_about_deleted_data_gets_a_clear_refusal() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("billing", &["a.rs"]).await;
    let feature = team.path("/features/billing");
    let body = json!({ "content": "retry on conflict" });
    let (learned, path) = (team.admin.under_key("learned"), format!("{feature}/learnings"));
    assert_eq!(learned.post(&path, body.clone()).await.status.as_u16(), 201);
    let picked = team.admin.under_key("picked");
    assert_eq!(picked.post(&format!("{feature}/pick"), json!({})).await.status.as_u16(), 200);
    team.admin.post(&format!("{feature}/cancel"), json!({})).await.data();
    team.admin.delete(&team.path("/finished/billing")).await.data();
    let again = learned.post(&path, body).await;
    assert_eq!((again.status.as_u16(), again.code()), (404, "NOT_FOUND"), "{}", again.body);
    // A reply without texts is returned again.
    assert_eq!(picked.post(&format!("{feature}/pick"), json!({})).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_deleted_engineer_leaves_no_key_no_session_and_no_name() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ben = team.engineer("ben").await;
    let agent = team.agent(&ben.client, "build").await;
    let claims = team.path("/claims");
    assert_eq!(agent.post(&claims, json!({ "paths": ["notes.md"] })).await.status.as_u16(), 201);
    let path = format!("/engineers/{}", ben.id);
    assert_eq!(team.engineer("eva").await.client.delete(&path).await.code(), "INSUFFICIENT_ROLE");
    assert_eq!(ben.client.delete(&path).await.data()["deleted"], true);
    for url in cluster.urls() {
        assert_eq!(ben.client.via(&url).get("/auth/me").await.code(), "INVALID_API_KEY");
    }
    let status = team.admin.get(&team.path("/status")).await;
    assert!(!status.body.to_string().contains("notes.md"), "their files are free");
    let detail = team.admin.get(&team.path("")).await;
    assert!(!detail.body.to_string().contains("ben@"), "{}", detail.body);
}
