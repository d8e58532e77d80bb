//! Keys, roles and membership: changes of rights apply on every node from the moment of their commit.

use nexus_api_types::Moment;
use nexus_domain::WallTime;
use nexus_tests::{Client, Cluster, Socket, Team};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn a_key_is_shown_once_and_revoked_on_every_node() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await.client;
    let body = json!({ "label": "laptop", "expiresAt": "2100-01-01T00:00:00.000Z" });
    let minted = ana.post("/auth/keys", body).await;
    assert_eq!((minted.status.as_u16(), &minted.data()["label"]), (201, &json!("laptop")));
    let (id, laptop) = (text(&minted.data()["id"]), text(&minted.data()["apiKey"]));
    assert_eq!(laptop.len(), 74);
    let listed = ana.get("/auth/keys").await;
    assert_eq!(listed.data().as_array().map(Vec::len), Some(2));
    assert!(!listed.body.to_string().contains(&laptop) && !listed.body.to_string().contains("argon2"));

    let urls = cluster.urls();
    for url in &urls {
        let me = ana.via(url).with_key(&laptop).get("/auth/me").await;
        assert_eq!(me.data()["name"], "ana");
    }
    let revoked = ana.via(&urls[1]).delete(&format!("/auth/keys/{id}")).await;
    assert_eq!(revoked.data()["deleted"], true);
    for url in &urls {
        for path in ["/auth/me", "/auth/me?consistency=linearizable"] {
            let refused = ana.via(url).with_key(&laptop).get(path).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (401, "INVALID_API_KEY"), "{url}");
        }
    }
    assert_eq!(ana.delete(&format!("/auth/keys/{id}")).await.code(), "NOT_FOUND");
    assert_eq!(ana.delete("/auth/keys/no-uuid").await.code(), "VALIDATION_ERROR");
    let past = ana.post("/auth/keys", json!({ "expiresAt": "2001-01-01T00:00:00Z" })).await;
    assert_eq!((past.status.as_u16(), past.code()), (400, "VALIDATION_ERROR"));
}

#[tokio::test]
async fn a_key_expires_although_nobody_writes() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970") + Duration::from_secs(2);
    let soon = Moment(WallTime(i64::try_from(soon.as_millis()).expect("before 2262")));
    let minted = team.admin.post("/auth/keys", json!({ "expiresAt": soon })).await;
    let brief = team.admin.with_key(text(&minted.data()["apiKey"]));
    assert_eq!(brief.get("/auth/me").await.status, StatusCode::OK);
    let mut socket = Socket::open(&brief).await;
    let session = socket.join(&team.project, None).await["sessionId"].clone();
    let heartbeat = team.path(&format!("/sessions/{}/heartbeat", text(&session)));
    assert_eq!(socket.close_code().await, Some(4001));
    for (method, path) in [
        (Method::GET, "/auth/me"),
        (Method::GET, "/auth/me?consistency=stale"),
        (Method::GET, "/cluster/status"),
        (Method::POST, &heartbeat),
    ] {
        let refused = brief.send(method, path, None).await.expect("an answer");
        assert_eq!((refused.status.as_u16(), refused.code()), (401, "INVALID_API_KEY"), "{path}");
    }
}

#[tokio::test]
async fn a_read_only_key_keeps_no_session_alive() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await;
    let agent = team.agent(&ana.client, "build").await;
    let heartbeat = team.path(&format!("/sessions/{}/heartbeat", agent.session().expect("it has one")));
    agent.post(&heartbeat, json!({})).await.data();
    let mint = async |body: Value| {
        let minted = ana.client.post("/auth/keys", body).await;
        ana.client.with_key(text(&minted.data()["apiKey"]))
    };
    let reading = mint(json!({ "readonly": true })).await;
    let other = ana.client.post("/projects", json!({ "name": "Other", "slug": "other" })).await;
    let elsewhere = mint(json!({ "projectId": other.data()["id"] })).await;
    for key in [&reading, &elsewhere] {
        assert_eq!(key.post(&heartbeat, json!({})).await.code(), "FORBIDDEN");
    }
    let mut socket = Socket::joined(&ana.client, &team.project, None).await;
    team.admin.patch(&format!("/engineers/{}", ana.id), json!({ "role": "readonly" })).await.data();
    assert_eq!(ana.client.post(&heartbeat, json!({})).await.code(), "INSUFFICIENT_ROLE");
    let answer = socket.ask(json!({ "type": "heartbeat" })).await;
    assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!("FORBIDDEN")), "{answer}");
    team.admin.delete(&team.path(&format!("/members/{}", ana.id))).await.data();
    assert_eq!(ana.client.post(&heartbeat, json!({})).await.code(), "NOT_PROJECT_MEMBER");
}

#[tokio::test]
async fn a_restriction_counts_in_either_spelling_and_an_unknown_setting_is_named() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    for spelling in ["readonly", "readOnly"] {
        let key = team.admin.post("/auth/keys", json!({ spelling: true })).await;
        assert_eq!(key.data()["readonly"], true, "{spelling}");
    }
    let setting = team.admin.patch("/cluster/settings", json!({ "sessionTimeout": 2 })).await;
    assert!(setting.body["error"]["details"]["sessionTimeout"].is_array(), "{}", setting.body);
}

#[tokio::test]
async fn a_retried_key_request_returns_the_same_key() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    // An idempotency key of any length: the new key is derived from the caller's key, which nobody can guess.
    let once = team.admin.under_key("ci");
    let urls = cluster.urls();
    let first = once.via(&urls[0]).post("/auth/keys", json!({ "label": "ci" })).await;
    let retry = once.via(&urls[2]).post("/auth/keys", json!({ "label": "ci" })).await;
    assert_eq!(first.data(), retry.data());
    let me = team.admin.with_key(text(&first.data()["apiKey"])).get("/auth/me").await;
    assert_eq!(me.data()["role"], "admin");
    assert_eq!(team.admin.get("/auth/keys").await.data().as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_key_for_one_project_reaches_no_other_and_makes_no_wider_key() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let other = team.admin.post("/projects", json!({ "name": "Other", "slug": "other" })).await;
    let other = format!("/projects/{}", text(&other.data()["id"]));
    let mint = async |body: Value| {
        let minted = team.admin.post("/auth/keys", body).await;
        team.admin.with_key(text(&minted.data()["apiKey"]))
    };
    let narrow = mint(json!({ "projectId": team.project })).await;
    assert_eq!(narrow.get(&team.path("")).await.status, StatusCode::OK);
    assert_eq!(narrow.get(&other).await.code(), "FORBIDDEN");
    assert_eq!(narrow.get("/projects").await.data().as_array().map(Vec::len), Some(1));
    assert_eq!(narrow.post("/auth/keys", json!({})).await.code(), "FORBIDDEN");
    assert_eq!(narrow.get("/cluster/settings").await.code(), "FORBIDDEN");
    let reading = mint(json!({ "readonly": true })).await;
    assert_eq!(reading.get(&team.path("/features")).await.status, StatusCode::OK);
    let refused = reading.post(&team.path("/sessions"), json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "FORBIDDEN"));
    assert_eq!(reading.post("/cluster/snapshot", json!({})).await.code(), "FORBIDDEN");
    let unknown = team.admin.post("/auth/keys", json!({ "projectId": uuid::Uuid::now_v7() })).await;
    assert_eq!(unknown.code(), "NOT_FOUND");
}

#[tokio::test]
async fn only_admins_change_roles_and_a_read_only_engineer_writes_nothing() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await;
    team.ready_feature("one", &["a"]).await;
    let set = async |by: &Client, whom: &str, role: &str| {
        by.patch(&format!("/engineers/{whom}"), json!({ "role": role })).await
    };
    assert_eq!(set(&ana.client, &ana.id, "admin").await.code(), "INSUFFICIENT_ROLE");
    assert_eq!(set(&team.admin, &ana.id, "king").await.code(), "VALIDATION_ERROR");
    assert_eq!(set(&team.admin, "no-uuid", "readonly").await.code(), "VALIDATION_ERROR");
    assert_eq!(set(&team.admin, &uuid::Uuid::now_v7().to_string(), "readonly").await.code(), "NOT_FOUND");
    let changed = set(&team.admin, &ana.id, "readonly").await;
    assert_eq!(changed.data()["role"], "readonly");
    assert_eq!(ana.client.get("/auth/me").await.data()["role"], "readonly");

    assert_eq!(ana.client.get(&team.path("/features/one")).await.data()["status"], "ready");
    let writes = [
        (Method::POST, team.path("/features/one/pick")),
        (Method::POST, team.path("/sessions")),
        (Method::DELETE, team.path("/claims")),
        (Method::POST, "/auth/keys".to_owned()),
        (Method::POST, "/cluster/snapshot".to_owned()),
        (Method::POST, "/cluster/members".to_owned()),
    ];
    for (method, path) in writes {
        let refused = ana.client.send(method, &path, Some(&json!({}))).await.expect("an answer");
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "INSUFFICIENT_ROLE"), "{path}");
    }
    let me = team.admin.get("/auth/me").await;
    let last = set(&team.admin, me.data()["id"].as_str().expect("an id"), "engineer").await;
    assert_eq!((last.status.as_u16(), last.code()), (400, "VALIDATION_ERROR"));
}

#[tokio::test]
async fn the_files_of_a_member_who_leaves_are_free() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let (ana, ben) = (team.engineer("ana").await, team.engineer("ben").await);
    team.ready_feature("one", &["a"]).await;
    ana.client.post(&team.path("/features/one/pick"), json!({})).await.data();
    let member = |id: &str| team.path(&format!("/members/{id}"));
    assert_eq!(ben.client.delete(&member(&ana.id)).await.code(), "INSUFFICIENT_ROLE");
    assert_eq!(team.admin.delete(&member("no-uuid")).await.code(), "VALIDATION_ERROR");
    assert_eq!(team.admin.delete(&member(&ana.id)).await.data()["removed"], true);
    assert_eq!(team.admin.delete(&member(&ana.id)).await.code(), "NOT_FOUND");
    assert_eq!(ana.client.get(&team.path("/features")).await.code(), "NOT_PROJECT_MEMBER");
    let picked = ben.client.post(&team.path("/features/one/pick"), json!({})).await;
    assert_eq!(picked.data()["status"], "active");
}

#[tokio::test]
async fn only_admins_change_settings_one_by_one() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await.client;
    assert_eq!(ana.get("/cluster/settings").await.code(), "INSUFFICIENT_ROLE");
    assert_eq!(ana.patch("/cluster/settings", json!({})).await.code(), "INSUFFICIENT_ROLE");
    let before = team.admin.get("/cluster/settings").await.data().clone();
    let changed = team.admin.patch("/cluster/settings", json!({ "session.timeout": 30 })).await;
    assert_eq!(changed.data()["session.timeout"], 30.0);
    assert_eq!(changed.data()["session.grace"], before["session.grace"]);
    for (setting, value) in
        [("session.timeout", json!(0)), ("replies.count", json!(1)), ("registration", json!("?"))]
    {
        let refused = team.admin.patch("/cluster/settings", json!({ setting: value })).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"));
        assert!(refused.body["error"]["details"][setting].is_array(), "{}", refused.body);
    }
    team.settings(json!({ "registration": "closed" })).await;
    let refused = ana.post("/auth/register", json!({ "name": "Eve", "email": "eve@example.com" })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "FORBIDDEN"));
}
