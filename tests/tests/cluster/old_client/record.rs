//! Sessions, checkpoints and knowledge, as an old client sees them.

use super::{NO_UUID, NOT_FOUND, Scene, VALIDATION, slugs, text};
use nexus_tests::contract::{
    self, CHECKPOINT, DECISION, ENGINEER, FEATURE, Form, LEARNING, SESSION, has, page,
};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_old_client_keeps_its_session_and_saves_checkpoints() {
    let scene = Scene::set().await;
    let (ana, ben) = (&scene.ana, &scene.ben);
    scene.ready("one", &["b.rs", "a.rs"]).await;
    let feature = scene.step(ana, "one", "pick").await["id"].clone();
    let sessions = scene.at("/sessions");
    let metadata = json!({ "gitBranch": "main", "workingDir": "/src", "clientVersion": "1.0" });
    let session = ana.make(&sessions, json!({ "featureId": feature, "metadata": metadata })).await;
    assert_eq!(
        json!([has(&session, SESSION)["engineerId"], session["featureId"], session["status"]]),
        json!([scene.ana_id, feature, "active"])
    );
    assert_eq!(session["metadata"], metadata);
    let again = ana.make(&sessions, json!({})).await;
    assert_eq!(again["id"], session["id"], "the active session is returned again");
    let other = ben.make(&sessions, json!({})).await;
    assert_ne!(other["id"], session["id"]);
    assert_eq!(has(&other, SESSION)["metadata"], json!({}));
    let active = ben.get(&scene.at("/sessions/active")).await;
    let active = contract::all(&active, &[("session", Form::Object), ("engineer", Form::Object)]);
    assert_eq!(active.len(), 2);
    for found in active {
        has(&found["session"], SESSION);
        has(&found["engineer"], ENGINEER);
    }
    ana.refused(NOT_FOUND, Method::POST, &sessions, Some(json!({ "featureId": scene.ana_id }))).await;
    ana.wrong(&sessions, json!({ "featureId": NO_UUID }), "featureId").await;

    let id = text(&session["id"]);
    let heartbeat = |id: &str| scene.at(&format!("/sessions/{id}/heartbeat"));
    assert_eq!(ana.post(&heartbeat(&id), json!({})).await, json!({ "ok": true }));
    let foreign = ben.ask(Method::POST, &heartbeat(&id), None).await;
    assert_eq!(foreign.status, 403, "{}", foreign.body);
    ana.refused(VALIDATION, Method::POST, &heartbeat(NO_UUID), None).await;
    ana.refused(NOT_FOUND, Method::POST, &heartbeat(&scene.ana_id), None).await;

    // Checkpoints.
    let checkpoints = scene.at("/sessions/checkpoints");
    let latest = format!("{checkpoints}/latest?featureId={}", text(&feature));
    assert_eq!(ana.get(&latest).await, Value::Null);
    let context = json!({ "step": 1, "files": ["a", { "y": null, "x": 1.5 }] });
    let body = json!({ "sessionId": id, "featureId": feature, "context": context });
    let first = ana.make(&checkpoints, body.clone()).await;
    has(&first, CHECKPOINT);
    assert_eq!(
        json!([first["type"], first["activeClaims"], first["context"], first["notes"], first["isLatest"]]),
        json!(["auto_periodic", ["a.rs", "b.rs"], context, null, true])
    );
    let equal = json!({ "sessionId": id, "featureId": feature, "context": { "files": ["a", { "x": 1.5, "y": null }], "step": 1 } });
    let skipped = ana.ask(Method::POST, &checkpoints, Some(equal)).await;
    assert_eq!(skipped.status, 200);
    assert_eq!(skipped.body, json!({ "data": null, "message": "Duplicate checkpoint skipped" }));
    let mut manual = body.clone();
    (manual["type"], manual["notes"]) = (json!("manual"), json!("lunch"));
    let second = ana.make(&checkpoints, manual).await;
    assert_eq!((&second["type"], &second["notes"]), (&json!("manual"), &json!("lunch")));
    assert_eq!(ben.get(&latest).await, second);
    let least = json!({ "sessionId": id, "featureId": feature, "type": "crash_recovery" });
    assert_eq!(has(&ana.make(&checkpoints, least).await, CHECKPOINT)["context"], json!({}));
    let nameless = ana.refused(VALIDATION, Method::GET, &format!("{checkpoints}/latest"), None).await;
    assert!(text(&nameless["message"]).contains("featureId"), "{nameless}");
    ana.wrong(&checkpoints, json!({ "featureId": feature }), "sessionId").await;
    ana.wrong(&checkpoints, json!({ "sessionId": id, "featureId": feature, "type": "hourly" }), "type").await;
}

#[tokio::test]
async fn an_old_client_writes_knowledge_and_orders_the_roadmap() {
    let scene = Scene::set().await;
    let (ana, ben) = (&scene.ana, &scene.ben);
    for slug in ["one", "two", "three"] {
        scene.draft(slug, &[]).await;
    }
    let learnings = scene.at("/features/one/learnings");
    for content in ["first", "second", "third"] {
        let made = ben.make(&learnings, json!({ "content": content })).await;
        assert_eq!(
            json!([has(&made, LEARNING)["engineerId"], made["content"]]),
            json!([scene.ben_id, content])
        );
    }
    let newest = ana.get(&format!("{learnings}?limit=2")).await;
    let contents: Vec<&Value> = page(&newest, LEARNING).iter().map(|item| &item["content"]).collect();
    assert_eq!(contents, ["third", "second"]);
    let rest = format!("{learnings}?limit=2&cursor={}", text(&newest["nextCursor"]));
    assert_eq!(page(&ben.get(&rest).await, LEARNING)[0]["content"], "first");
    ana.wrong(&learnings, json!({ "content": "" }), "content").await;
    let missing = scene.at("/features/none/learnings");
    ana.refused(NOT_FOUND, Method::POST, &missing, Some(json!({ "content": "c" }))).await;
    ana.refused(NOT_FOUND, Method::GET, &missing, None).await;

    let decisions = scene.at("/decisions");
    let plain = ana.make(&decisions, json!({ "title": "T", "decision": "D" })).await;
    has(&plain, DECISION);
    assert_eq!(
        json!([plain["rationale"], plain["alternatives"], plain["supersedes"]]),
        json!([null, null, null])
    );
    let body = json!({
        "title": "t".repeat(200), "decision": "d", "rationale": "r", "alternatives": "a",
        "featureSlug": "one", "supersedes": plain["id"],
    });
    let whole = ben.make(&decisions, body.clone()).await;
    for field in ["title", "decision", "rationale", "alternatives", "supersedes"] {
        assert_eq!(has(&whole, DECISION)[field], body[field]);
    }
    assert_eq!(page(&ana.get(&decisions).await, DECISION).len(), 2);
    let about = ana.get(&format!("{decisions}?feature=one")).await;
    assert_eq!(page(&about, DECISION)[0]["id"], whole["id"]);
    assert_eq!(page(&ana.get(&format!("{decisions}?feature=two")).await, DECISION).len(), 0);
    ana.refused(NOT_FOUND, Method::GET, &format!("{decisions}?feature=none"), None).await;
    let unknown = json!({ "title": "T", "decision": "D", "featureSlug": "none" });
    ana.refused(NOT_FOUND, Method::POST, &decisions, Some(unknown)).await;
    for (body, field) in [
        (json!({ "decision": "D" }), "title"),
        (json!({ "title": "t".repeat(201), "decision": "D" }), "title"),
        (json!({ "title": "T" }), "decision"),
        (json!({ "title": "T", "decision": "D", "supersedes": NO_UUID }), "supersedes"),
    ] {
        ana.wrong(&decisions, body, field).await;
    }

    let roadmap = scene.at("/roadmap");
    let reorder = scene.at("/roadmap/reorder");
    ben.patch(&reorder, json!({ "now": ["three", "one"] })).await;
    let seen = ana.get(&roadmap).await;
    has(&seen, &[("projectId", Form::Id), ("lanes", Form::List)]);
    let lanes = contract::all(&seen["lanes"], &[("lane", Form::Text), ("features", Form::List)]);
    let names: Vec<&Value> = lanes.iter().map(|lane| &lane["lane"]).collect();
    assert_eq!(names, ["now", "next", "later", "icebox"]);
    assert_eq!(slugs(contract::all(&lanes[0]["features"], FEATURE)), ["three", "one"]);
    let numbers: Vec<&Value> =
        lanes[0]["features"].as_array().expect("a list").iter().map(|found| &found["priority"]).collect();
    assert_eq!(numbers, [1, 2]);
    ana.refused(NOT_FOUND, Method::PATCH, &reorder, Some(json!({ "now": ["two", "none"] }))).await;
    ana.refused(VALIDATION, Method::PATCH, &reorder, Some(json!({ "soon": ["two"] }))).await;
    assert_eq!(ben.get(&roadmap).await, seen, "all or nothing is reordered");
    let lane = |slug: &str| scene.at(&format!("/roadmap/{slug}/lane"));
    let last = ben.patch(&lane("two"), json!({ "lane": "now" })).await;
    assert_eq!((&has(&last, FEATURE)["lane"], &last["priority"]), (&json!("now"), &json!(3)));
    let placed = ben.patch(&lane("two"), json!({ "lane": "later", "priority": 7 })).await;
    assert_eq!((&placed["lane"], &placed["priority"]), (&json!("later"), &json!(7)));
    ana.refused(VALIDATION, Method::PATCH, &lane("two"), Some(json!({ "lane": "soon" }))).await;
    ana.refused(NOT_FOUND, Method::PATCH, &lane("none"), Some(json!({ "lane": "now" }))).await;
}
