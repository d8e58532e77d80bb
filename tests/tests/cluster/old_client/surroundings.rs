//! The socket, health and errors, as an old client sees them.

use super::{NOT_FOUND, Scene, VALIDATION};
use nexus_tests::{
    Client, Socket,
    contract::{self, Form, has},
};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn an_old_client_receives_events_over_its_socket() {
    let scene = Scene::set().await;
    let project = scene.at.trim_start_matches("/projects/").to_owned();
    let mut socket = Socket::open(&scene.ana.next()).await;
    let joined = socket.ask(json!({ "type": "join", "projectId": project })).await;
    assert_eq!((&joined["type"], &joined["projectId"]), (&json!("joined"), &json!(project)));
    assert!(joined["sessionId"].is_string(), "{joined}");
    // The first event is the start of its own session; events of others follow.
    let ben = &scene.ben;
    scene.ready("one", &["a.rs"]).await;
    scene.step(ben, "one", "pick").await;
    scene.step(ben, "one", "release").await;
    scene.step(ben, "one", "pick").await;
    ben.make(&scene.at("/features/one/learnings"), json!({ "content": "c" })).await;
    ben.make(&scene.at("/decisions"), json!({ "title": "T", "decision": "D" })).await;
    scene.step(ben, "one", "done").await;
    let received = socket.receive_until("feature_completed").await;
    let find = |kind: &str| {
        received
            .iter()
            .find(|event| event["type"] == kind)
            .unwrap_or_else(|| panic!("no {kind} in {received:?}"))
    };
    let person = json!({ "id": scene.ben_id, "name": "Ben" });
    for kind in
        ["feature_created", "feature_updated", "feature_claimed", "feature_released", "feature_completed"]
    {
        assert_eq!(find(kind)["feature"]["slug"], "one", "{kind}");
    }
    let updated = find("feature_updated");
    assert_eq!(
        json!([updated["field"], updated["oldValue"], updated["newValue"]]),
        json!(["status", "draft", "ready"])
    );
    assert_eq!(find("feature_claimed")["engineer"], person);
    for kind in ["files_claimed", "files_released"] {
        let files = find(kind);
        assert_eq!(
            json!([files["engineer"], files["paths"], files["featureId"]]),
            json!([person, ["a.rs"], find("feature_created")["feature"]["id"]])
        );
    }
    let learned = find("learning_added");
    assert_eq!((&learned["feature"]["slug"], &learned["learning"]["content"]), (&json!("one"), &json!("c")));
    find("decision_added");
    let started =
        received.iter().find(|event| event["engineerName"] == "Ben").expect("Ben's session started");
    assert_eq!(
        (&started["type"], &started["engineerId"], started["sessionId"].is_string()),
        (&json!("session_started"), &json!(scene.ben_id), true)
    );

    let error = socket.ask(json!({ "type": "sing" })).await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("INVALID_MESSAGE")), "{error}");
    assert!(error["message"].is_string());
    socket.send_json(json!({ "type": "heartbeat" })).await;
    let left = socket.ask(json!({ "type": "leave" })).await;
    assert_eq!(left, json!({ "type": "left", "projectId": project }));
    let error = socket.ask(json!({ "type": "leave" })).await;
    assert_eq!(error["code"], "NOT_IN_PROJECT");
    let error = socket.ask(json!({ "type": "join", "projectId": scene.ana_id })).await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("FORBIDDEN")), "{error}");
    let code = socket.leave().await;
    assert!(matches!(code, None | Some(1000)), "{code:?}");
}

#[tokio::test]
async fn an_old_client_finds_health_and_errors_unchanged() {
    let scene = Scene::set().await;
    let (ana, nobody) = (&scene.ana, &scene.nobody);
    let bare = async |path: &str| {
        let answer = nobody.next().send_bare(Method::GET, path, None).await.expect("the node answers");
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
        answer
    };
    for path in ["/health", "/health/ready", "/api/health", "/api/health/ready"] {
        let body = bare(path).await.body;
        has(&body, &[("status", Form::Word(&["ready"])), ("timestamp", Form::Moment)]);
        let raft = &body["checks"]["raft"];
        has(
            raft,
            &[
                ("status", Form::Word(&["healthy"])),
                ("latencyMs", Form::Number),
                ("role", Form::Word(&["leader", "follower"])),
                ("leader", Form::Number),
                ("term", Form::Number),
                ("lag", Form::Number),
            ],
        );
        has(&body["checks"]["storage"], &[("status", Form::Word(&["healthy"])), ("latencyMs", Form::Number)]);
        assert_eq!(body["checks"]["storage"]["space"], "enough");
    }
    for path in ["/health/live", "/api/health/live"] {
        has(&bare(path).await.body, &[("status", Form::Word(&["alive"])), ("timestamp", Form::Moment)]);
    }
    for path in ["/metrics", "/api/metrics"] {
        let kind = bare(path).await.headers["content-type"].to_str().expect("ASCII").to_owned();
        assert!(kind.starts_with("text/plain"), "{kind}");
    }

    // Its request id is returned in successes and failures; without one, each answer has another id.
    let named = ana.with(|client| client.with_header("X-Request-ID", "my-request-7"));
    for path in ["/auth/me", "/nothing"] {
        assert_eq!(named.ask(Method::GET, path, None).await.headers["x-request-id"], "my-request-7");
    }
    let ids = [ana.ask(Method::GET, "/auth/me", None).await, ana.ask(Method::GET, "/auth/me", None).await];
    assert_ne!(ids[0].headers["x-request-id"], ids[1].headers["x-request-id"]);

    ana.refused(NOT_FOUND, Method::GET, "/nothing", None).await;
    for (method, path) in
        [(Method::PUT, "/projects"), (Method::DELETE, "/projects"), (Method::GET, "/auth/register")]
    {
        ana.refused((405, "METHOD_NOT_ALLOWED"), method, path, None).await;
    }
    let client: Client = ana.next();
    for (body, expected, field) in [
        (b"{\"name\": ".to_vec(), VALIDATION, "body"),
        (b"\"text\"".to_vec(), VALIDATION, "body"),
        (b"null".to_vec(), VALIDATION, "body"),
        (vec![0xFF, 0xFE], VALIDATION, "body"),
        (vec![b'['; 100_000], VALIDATION, "body"),
        (Vec::new(), VALIDATION, "name"),
        (vec![b' '; (1 << 20) + 1], (413, "PAYLOAD_TOO_LARGE"), ""),
    ] {
        let answer = client.send_raw(Method::POST, "/projects", body).await.expect("the node answers");
        contract::is_sound(&answer);
        assert_eq!((answer.status.as_u16(), answer.code()), expected, "{}", answer.body);
        assert!(field.is_empty() || answer.body["error"]["details"][field].is_array(), "{}", answer.body);
    }
    // Exactly as much as the limit allows.
    let frame = json!({ "slug": "long", "title": "t", "spec": "" }).to_string().len();
    let body = json!({ "slug": "long", "title": "t", "spec": "s".repeat((1 << 20) - frame) });
    ana.make(&scene.at("/features"), body).await;
}
