//! New keys for people who lost theirs: who may give one to whom, and what it opens.

use nexus_tests::{Answer, Client, Cluster, Team, eventually};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Gives a new key, once the cluster goes by the rules that know how.
async fn reset(by: &Client, whom: &str, body: Value) -> Answer {
    let path = format!("/engineers/{whom}/keys");
    eventually("the cluster knows how", || async {
        let answer = by.post(&path, body.clone()).await;
        (answer.status.as_u16() != 503).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn an_admin_gives_a_key_that_replaces_the_lost_ones() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await;
    let given = reset(&team.admin, "ana@example.com", json!({})).await;
    let key = given.data().clone();
    assert_eq!((given.status.as_u16(), &key["label"]), (201, &json!("given by root@example.com")));
    assert_eq!((&key["projectId"], &key["expiresAt"]), (&Value::Null, &Value::Null));
    for url in cluster.urls() {
        assert_eq!(ana.client.via(&url).get("/auth/me").await.code(), "INVALID_API_KEY");
        let fresh = ana.client.via(&url).with_key(text(&key["apiKey"]));
        assert_eq!(fresh.get("/auth/me").await.data()["name"], "ana");
    }
    let fresh = ana.client.with_key(text(&key["apiKey"]));
    fresh.post("/auth/keys", json!({})).await.data();
    reset(&team.admin, "ana", json!({ "keepOthers": true })).await.data();
    assert_eq!(fresh.get("/auth/keys").await.data().as_array().map(Vec::len), Some(3));
    let own = reset(&team.admin, "root@example.com", json!({})).await;
    assert_eq!((own.status.as_u16(), own.code()), (400, "VALIDATION_ERROR"));

    // A retry shows the same key.
    let once = team.admin.under_key("once");
    let first = reset(&once, "ana", json!({})).await.data().clone();
    assert_eq!(reset(&once.via(&cluster.urls()[1]), "ana", json!({})).await.data(), &first);
}

#[tokio::test]
async fn a_lead_gives_a_key_for_the_project_alone_and_to_no_one_above() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let (lead, ana) = (team.stranger("lead").await, team.engineer("ana").await);
    let member = team.engineer("member").await;
    team.admin.post(&team.path("/members"), json!({ "engineerId": lead.id, "role": "lead" })).await.data();
    let elsewhere =
        ana.client.post("/projects", json!({ "name": "Own", "slug": "own" })).await.data().clone();
    let here = || json!({ "projectId": "demo" });

    let given = reset(&lead.client, "ana", here()).await.data().clone();
    assert_eq!(given["projectId"], json!(team.project));
    assert!(given["expiresAt"].is_string(), "it ends by itself: {given}");
    assert_eq!(
        ana.client.get("/auth/me").await.data()["name"],
        "ana",
        "her own key is none of a lead's business"
    );
    let narrow = ana.client.with_key(text(&given["apiKey"]));
    assert_eq!(narrow.get(&team.path("")).await.status.as_u16(), 200);
    let listed = narrow.get("/auth/keys").await.data().clone();
    let listed: Vec<_> = listed.as_array().expect("a list").iter().map(|key| key["id"].clone()).collect();
    assert_eq!(listed, [given["id"].clone()], "her other keys are none of a lead's business");
    let own = format!("/projects/{}", text(&elsewhere["id"]));
    assert_eq!(narrow.get(&own).await.code(), "FORBIDDEN");
    assert_eq!(narrow.post("/auth/keys", json!({})).await.code(), "FORBIDDEN");
    assert_eq!(narrow.delete(&format!("/engineers/{}", ana.id)).await.code(), "FORBIDDEN");
    // The next one takes its place.
    reset(&lead.client, "ana", here()).await.data();
    assert_eq!(narrow.get("/auth/me").await.code(), "INVALID_API_KEY");

    let refused = |answer: Answer| (answer.status.as_u16(), text(&answer.body["error"]["code"]));
    let too_low = || (403, "INSUFFICIENT_ROLE".to_owned());
    assert_eq!(refused(reset(&lead.client, "ana", json!({})).await), too_low(), "everywhere");
    let keep = json!({ "projectId": "demo", "keepOthers": true });
    assert_eq!(refused(reset(&lead.client, "ana", keep).await), too_low());
    assert_eq!(refused(reset(&lead.client, "root@example.com", here()).await), too_low(), "an admin");
    assert_eq!(refused(reset(&member.client, "ana", here()).await), too_low(), "a member asks");
    assert_eq!(refused(reset(&member.client, "ana", json!({})).await), too_low());
    let not_theirs = json!({ "projectId": "own" });
    assert_eq!(refused(reset(&lead.client, "ana", not_theirs).await).1, "NOT_PROJECT_MEMBER");
    let eve = team.stranger("eve").await;
    for stranger in ["eve@example.com", "nobody@example.com"] {
        let answer = reset(&lead.client, stranger, here()).await;
        assert!(answer.message().contains(stranger), "an id that was not asked for: {}", answer.body);
        assert_eq!(refused(answer).1, "NOT_FOUND", "in no project of theirs");
    }
    assert_eq!(refused(reset(&eve.client, &ana.id, here()).await).1, "NOT_PROJECT_MEMBER");
    let long = json!({ "projectId": "demo", "expiresAt": "2100-01-01T00:00:00Z" });
    let long = reset(&lead.client, "ana", long).await;
    assert!(long.body["error"]["details"]["expiresAt"].is_array(), "{}", long.body);
    let reading = lead.client.post("/auth/keys", json!({ "readonly": true })).await;
    let reading = lead.client.with_key(text(&reading.data()["apiKey"]));
    assert_eq!(refused(reset(&reading, "ana", here()).await).1, "FORBIDDEN");
    let bound = lead.client.post("/auth/keys", json!({ "projectId": "demo" })).await;
    let bound = lead.client.with_key(text(&bound.data()["apiKey"]));
    assert_eq!(refused(reset(&bound, "ana", here()).await).1, "FORBIDDEN");
    // A lead who is no lead any more gets no key by repeating the request.
    let once = lead.client.under_key("once");
    reset(&once, "ana", here()).await.data();
    team.admin.delete(&team.path(&format!("/members/{}", lead.id))).await.data();
    assert_eq!(refused(reset(&once, "ana", here()).await).1, "NOT_PROJECT_MEMBER");
}
