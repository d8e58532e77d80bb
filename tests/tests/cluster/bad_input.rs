//! Requests that are malformed or too large, or name unknown or foreign resources, get the contract's error and change
//! nothing.

use nexus_tests::{Cluster, Team};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn bad_input_gets_the_contracts_error_and_changes_nothing() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    let features = team.path("/features");
    let before = team.admin.get(&features).await.data().clone();
    let with = |field: &str, value: Value| {
        let mut body = json!({ "slug": "x", "title": "t", "spec": "s" });
        body[field] = value;
        serde_json::to_vec(&body).expect("JSON")
    };
    let too_many: Vec<String> = (0..10_001).map(|number| format!("p{number}")).collect();
    let cases: Vec<(&str, Vec<u8>, u16, &str, &str)> = vec![
        ("empty body", Vec::new(), 400, "VALIDATION_ERROR", "slug"),
        ("malformed JSON", b"{\"slug\": ".to_vec(), 400, "VALIDATION_ERROR", "body"),
        ("not an object", b"[1,2]".to_vec(), 400, "VALIDATION_ERROR", "body"),
        ("2 MB", with("spec", json!("x".repeat(2_000_000))), 413, "PAYLOAD_TOO_LARGE", ""),
        ("out of the root", with("touches", json!(["../../etc/passwd"])), 400, "VALIDATION_ERROR", "touches"),
        ("absolute", with("touches", json!(["/etc/passwd"])), 400, "VALIDATION_ERROR", "touches"),
        ("NUL", with("touches", json!(["a\u{0}b"])), 400, "VALIDATION_ERROR", "touches"),
        ("1,025 bytes", with("touches", json!(["x".repeat(1_025)])), 400, "VALIDATION_ERROR", "touches"),
        ("10,001 patterns", with("touches", json!(too_many)), 400, "VALIDATION_ERROR", "touches"),
        ("a number for a text", with("title", json!(7)), 400, "VALIDATION_ERROR", "title"),
        ("capital letters", with("slug", json!("Bad_Slug")), 400, "VALIDATION_ERROR", "slug"),
        ("no such lane", with("lane", json!("yesterday")), 400, "VALIDATION_ERROR", "lane"),
        ("priority 0", with("priority", json!(0)), 400, "VALIDATION_ERROR", "priority"),
        ("depends on nothing", with("dependsOn", json!(["nobody"])), 404, "NOT_FOUND", ""),
        ("depends on itself", with("dependsOn", json!(["x"])), 400, "VALIDATION_ERROR", "dependsOn"),
        ("slug taken", with("slug", json!("one")), 409, "ALREADY_EXISTS", ""),
    ];
    for (case, body, status, code, field) in cases {
        let answer = team.admin.send_raw(Method::POST, &features, body).await;
        let answer = answer.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{case}: {}", answer.body);
        assert!(answer.body["error"]["requestId"].is_string(), "{case}");
        if !field.is_empty() {
            assert!(answer.body["error"]["details"][field].is_array(), "{case}: {}", answer.body);
        }
    }
    assert_eq!(team.admin.get(&features).await.data(), &before);
}

#[tokio::test]
async fn unknown_ids_and_foreign_resources_get_different_errors() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    let (ana, ben) = (team.engineer("ana").await, team.engineer("ben").await);
    let stranger = team.stranger("eve").await;
    let nobody = uuid::Uuid::now_v7();
    let build = team.agent(&ana.client, "build").await;
    let session = build.session().expect("a session").to_owned();
    let one = team.path("/features/one/pick");
    let post = |client: nexus_tests::Client, path: String| async move {
        let answer = client.post(&path, json!({})).await;
        (answer.status.as_u16(), answer.code().to_owned())
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    let keyless = cluster.client();
    assert_eq!(post(keyless.clone(), one.clone()).await, is(401, "UNAUTHORIZED"));
    assert_eq!(post(keyless.with_key("nexus_eng_nonsense"), one.clone()).await, is(401, "INVALID_API_KEY"));
    let unknown_key = format!("nexus_eng_{}", "0".repeat(64));
    assert_eq!(post(keyless.with_key(unknown_key), one.clone()).await, is(401, "INVALID_API_KEY"));
    assert_eq!(post(stranger.client.clone(), one.clone()).await, is(403, "NOT_PROJECT_MEMBER"));
    assert_eq!(stranger.client.get(&team.path("/claims")).await.code(), "NOT_PROJECT_MEMBER");
    assert_eq!(post(ben.client.acting_as(&session), one.clone()).await, is(403, "FORBIDDEN"));
    assert_eq!(post(ana.client.acting_as(nobody.to_string()), one.clone()).await, is(404, "NOT_FOUND"));
    assert_eq!(post(ana.client.acting_as("no-uuid"), one.clone()).await, is(400, "VALIDATION_ERROR"));
    let heartbeat = |id: &str| team.path(&format!("/sessions/{id}/heartbeat"));
    assert_eq!(post(ben.client.clone(), heartbeat(&session)).await, is(403, "FORBIDDEN"));
    assert_eq!(post(ana.client.clone(), heartbeat(&nobody.to_string())).await, is(404, "NOT_FOUND"));
    assert_eq!(post(ana.client.clone(), heartbeat("no-uuid")).await, is(400, "VALIDATION_ERROR"));
    assert_eq!(ana.client.get("/projects/no-uuid").await.code(), "VALIDATION_ERROR");
    assert_eq!(ana.client.get(&format!("/projects/{nobody}")).await.code(), "NOT_FOUND");
    assert_eq!(ana.client.get(&team.path("/features/none")).await.code(), "NOT_FOUND");
    assert_eq!(ana.client.get("/no-such-route").await.code(), "NOT_FOUND");
    let wrong_method = ana.client.send(Method::PUT, "/projects", None).await.expect("an answer");
    assert_eq!((wrong_method.status.as_u16(), wrong_method.code()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(
        ana.client.post(&team.path("/members"), json!({ "engineerId": ben.id })).await.code(),
        "INSUFFICIENT_ROLE"
    );
    let again = team.admin.post(&team.path("/members"), json!({ "engineerId": ben.id })).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "ALREADY_EXISTS"));
    let taken = team.admin.post("/auth/register", json!({ "name": "A", "email": "ANA@example.com" })).await;
    assert_eq!((taken.status.as_u16(), taken.code()), (409, "ALREADY_EXISTS"));
    let feature = team.admin.get(&team.path("/features/one")).await;
    assert_eq!(feature.data()["status"], "ready");
}

#[tokio::test]
async fn a_tool_answers_invalid_input_at_once() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let host = team.admin.with_header("Accept", "application/json, text/event-stream");
    let call = |tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let host = host.clone();
        async move { host.send_bare(Method::POST, "/mcp", Some(&message)).await.expect("an answer") }
    };
    // A value that is too long for a URI, and characters that a URI cannot contain.
    for name in ["x".repeat(70_000), "?#/%\u{0}\u{1f4a5}".to_owned(), "x".repeat(3_000)] {
        for tool in ["pick", "done", "release", "learn"] {
            let arguments = match tool {
                "learn" => json!({ "featureSlug": name, "content": "c" }),
                _ => json!({ "featureSlug": name }),
            };
            let answer = call(tool, arguments).await;
            assert_eq!(answer.status.as_u16(), 200, "{tool}: {}", answer.body);
            assert_eq!(answer.body["result"]["isError"], true, "{tool}: {}", answer.body);
        }
        let uri = format!("nexus://features/{name}/spec");
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": uri } });
        let answer = host.send_bare(Method::POST, "/mcp", Some(&message)).await.expect("an answer");
        assert!(answer.body["error"]["message"].is_string(), "{}", answer.body);
    }
    // A misspelt parameter must not make the request act as the engineer.
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let refused = host.send_bare(Method::POST, "/mcp?agnet=build", Some(&message)).await.expect("an answer");
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"), "{}", refused.body);
}
