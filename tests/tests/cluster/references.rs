//! Projects by slug or id, features by slug or id, people by id, e-mail address or name: wherever one of them is named.

use nexus_tests::{Client, Cluster, Socket, Team};
use reqwest::Method;
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

async fn send(client: &Client, method: Method, path: &str, body: Value) -> Value {
    let body = (!body.is_null()).then_some(body);
    let answer = client.send(method, path, body.as_ref()).await.expect("an answer");
    assert!(answer.status.is_success(), "{path}: {}", answer.body);
    answer.body["data"].clone()
}

#[tokio::test]
async fn projects_and_features_are_taken_by_slug_and_by_id() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await.client;
    let urls = cluster.urls();
    for (at, project) in ["demo", &team.project].into_iter().enumerate() {
        let path = |rest: &str| format!("/projects/{project}{rest}");
        let ana = ana.via(&urls[at]);
        let body = json!({ "slug": format!("base-{at}"), "title": "t", "spec": "s" });
        let base = send(&ana, Method::POST, &path("/features"), body).await;
        let depends_on = [&base["slug"], &base["id"]][at];
        let body = json!({ "slug": format!("work-{at}"), "title": "t", "spec": "s", "touches": [format!("{at}.rs")] });
        let made = send(&ana, Method::POST, &path("/features"), body).await;
        let (slug, id) = (text(&made["slug"]), text(&made["id"]));
        let named = [&slug, &id][at];
        let one = |rest: &str| path(&format!("/features/{named}{rest}"));

        send(&ana, Method::PATCH, &one(""), json!({ "title": "T", "dependsOn": [depends_on] })).await;
        assert_eq!(send(&ana, Method::GET, &one(""), Value::Null).await["dependsOn"], json!([base["slug"]]));
        send(&ana, Method::POST, &path(&format!("/features/{}/cancel", text(depends_on))), json!({})).await;
        for step in ["ready", "draft", "ready"] {
            send(&ana, Method::POST, &one(&format!("/{step}")), json!({})).await;
        }
        send(&ana, Method::PATCH, &path("/roadmap/reorder"), json!({ "now": [named] })).await;
        send(&ana, Method::PATCH, &path(&format!("/roadmap/{named}/lane")), json!({ "lane": "next" })).await;
        let session = json!({ "agent": format!("a{at}"), "featureId": named });
        let session = send(&ana, Method::POST, &path("/sessions"), session).await;
        let agent = ana.acting_as(text(&session["id"]));
        send(&agent, Method::POST, &one("/pick"), json!({})).await;
        let claim = json!({ "paths": [format!("docs/{at}")], "featureId": named });
        assert_eq!(send(&agent, Method::POST, &path("/claims"), claim).await["claims"][0]["featureId"], id);
        send(&agent, Method::POST, &one("/learnings"), json!({ "content": "c" })).await;
        let learnings = send(&agent, Method::GET, &one("/learnings"), Value::Null).await;
        assert_eq!(learnings["items"].as_array().map(Vec::len), Some(1));
        let decision = json!({ "title": "t", "decision": "d", "featureSlug": named });
        assert_eq!(send(&agent, Method::POST, &path("/decisions"), decision).await["featureSlug"], slug);
        let about = path(&format!("/decisions?feature={named}"));
        let decisions = send(&agent, Method::GET, &about, Value::Null).await;
        assert_eq!(decisions["items"].as_array().map(Vec::len), Some(1));
        let checkpoint = json!({ "sessionId": session["id"], "featureId": named, "context": { "step": 1 } });
        send(&agent, Method::POST, &path("/sessions/checkpoints"), checkpoint).await;
        let latest = path(&format!("/sessions/checkpoints/latest?featureId={named}"));
        assert_eq!(send(&agent, Method::GET, &latest, Value::Null).await["featureId"], id);
        send(
            &agent,
            Method::POST,
            &path(&format!("/sessions/{}/heartbeat", text(&session["id"]))),
            json!({}),
        )
        .await;
        send(&agent, Method::POST, &one("/done"), json!({})).await;
        send(&ana, Method::DELETE, &path(&format!("/finished/{named}")), Value::Null).await;
        assert_eq!(ana.get(&one("")).await.code(), "NOT_FOUND");

        let mut socket = Socket::open(&ana).await;
        let joined = socket.join(project, None).await;
        assert_eq!(
            (&joined["type"], &joined["projectId"]),
            (&json!("joined"), &json!(team.project)),
            "{joined}"
        );
        let key = send(&ana, Method::POST, "/auth/keys", json!({ "projectId": project })).await;
        assert_eq!(key["projectId"], json!(team.project));
    }
}

#[tokio::test]
async fn the_tools_of_agents_take_slugs_and_ids() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await.client;
    for (project, by_id) in [("demo", true), (team.project.as_str(), false)] {
        let slug = format!("work-{by_id}");
        team.ready_feature(&slug, &[&slug]).await;
        let id = text(&ana.get(&team.path(&format!("/features/{slug}"))).await.data()["id"]);
        let arguments = json!({ "featureSlug": if by_id { &id } else { &slug } });
        for tool in ["pick", "done"] {
            let params = json!({ "name": tool, "arguments": arguments });
            let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            let agent = ana.with_header("Accept", "application/json, text/event-stream");
            let path = format!("/mcp?project={project}&agent=build");
            let answer = agent.send_bare(Method::POST, &path, Some(&message)).await.expect("an answer");
            assert_eq!(answer.body["result"]["structuredContent"]["slug"], json!(slug), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn what_refers_to_nothing_is_named_and_a_stranger_learns_no_more() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let (ana, eve) = (team.engineer("ana").await, team.stranger("eve").await.client);
    let wrong = ana.client.get("/projects/no-such-project").await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (400, "VALIDATION_ERROR"), "{}", wrong.body);
    assert!(
        wrong.message().contains("slug") && wrong.message().contains("no-such-project"),
        "{}",
        wrong.body
    );
    assert_eq!(ana.client.get(&team.path("/features/none")).await.code(), "NOT_FOUND");
    let none = uuid::Uuid::now_v7();
    assert_eq!(ana.client.get(&team.path(&format!("/features/{none}"))).await.code(), "NOT_FOUND");
    let latest = |feature: &str| team.path(&format!("/sessions/checkpoints/latest?featureId={feature}"));
    assert!(ana.client.get(&latest("none")).await.body["error"]["details"]["featureId"].is_array());
    let mut socket = Socket::open(&ana.client).await;
    assert_eq!(socket.join("no-such-project", None).await["code"], "INVALID_MESSAGE");

    team.ready_feature("one", &["a"]).await;
    assert_eq!(eve.get("/projects/demo").await.code(), "NOT_PROJECT_MEMBER");
    for feature in ["one", "none"] {
        let claim = json!({ "paths": ["a"], "featureId": feature });
        assert_eq!(eve.post("/projects/demo/claims", claim).await.code(), "NOT_PROJECT_MEMBER", "{feature}");
    }

    // The slug of a project may look like an id. It is one then, and takes no other project's place.
    let id = uuid::Uuid::now_v7().to_string();
    eve.post("/projects", json!({ "name": "Trap", "slug": id })).await.data();
    assert_eq!(eve.get(&format!("/projects/{id}")).await.code(), "NOT_FOUND");
    // That of a feature always was one.
    let body = json!({ "slug": id, "title": "t", "spec": "s" });
    let made = ana.client.post(&team.path("/features"), body).await.data()["id"].clone();
    assert_eq!(ana.client.get(&team.path(&format!("/features/{id}"))).await.data()["id"], made);
}

#[tokio::test]
async fn people_are_named_by_id_address_or_name_and_seen_by_those_who_work_with_them() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let (ana, eve) = (team.engineer("ana").await, team.stranger("eve").await);
    let emails = |answer: &Value| {
        let items = answer["items"].as_array().expect("a page").clone();
        items.iter().map(|person| text(&person["email"])).collect::<Vec<_>>()
    };
    let all = team.admin.get("/engineers").await.data().clone();
    assert_eq!(emails(&all), ["root@example.com", "ana@example.com", "eve@example.com"]);
    assert_eq!(emails(ana.client.get("/engineers").await.data()), ["root@example.com", "ana@example.com"]);
    assert_eq!(emails(eve.client.get("/engineers").await.data()), ["eve@example.com"]);
    let first = team.admin.get("/engineers?limit=2").await.data().clone();
    let next = format!("/engineers?limit=2&cursor={}", text(&first["nextCursor"]));
    assert_eq!(emails(team.admin.get(&next).await.data()), ["eve@example.com"]);
    assert_eq!(team.admin.get("/engineers?cursor=x").await.code(), "VALIDATION_ERROR");

    for named in [&ana.id, "ana@example.com", "ANA@Example.com", "Ana", "ana"] {
        let shown = team.admin.get(&format!("/engineers/{named}")).await.data().clone();
        assert_eq!(shown["id"], json!(ana.id), "{named}");
        assert_eq!(
            (&shown["projects"][0]["slug"], &shown["projects"][0]["role"]),
            (&json!("demo"), &json!("member"))
        );
    }
    for named in [ana.id.as_str(), "ana@example.com"] {
        assert_eq!(eve.client.get(&format!("/engineers/{named}")).await.code(), "NOT_FOUND", "{named}");
    }
    assert_eq!(eve.client.get("/engineers/ana").await.code(), "VALIDATION_ERROR");
    // Whether an address is registered is not said to those who may not see whose it is.
    for named in ["ana@example.com", "nobody@example.com"] {
        let missing = format!("no engineer {named}");
        let changed = eve.client.patch(&format!("/engineers/{named}"), json!({ "role": "admin" })).await;
        let removed = eve.client.delete(&format!("/engineers/{named}")).await;
        for answer in [changed, removed] {
            assert_eq!((answer.code(), answer.message()), ("NOT_FOUND", missing.as_str()), "{}", answer.body);
        }
        let added = eve.client.post(&team.path("/members"), json!({ "engineerId": named })).await;
        assert_eq!(added.code(), "NOT_PROJECT_MEMBER", "{}", added.body);
    }

    // A name that looks like an address takes nobody's place.
    let body = json!({ "name": "ben@example.com", "email": "mallory@example.com" });
    let mallory = team.admin.post("/auth/register", body).await.data()["engineer"]["id"].clone();
    team.admin.post(&team.path("/members"), json!({ "engineerId": mallory })).await.data();
    let members = team.path("/members");
    let ben = json!({ "engineerId": "ben@example.com" });
    let unknown = team.admin.post(&members, ben.clone()).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (404, "NOT_FOUND"));
    let ben_id = team.stranger("ben").await.id;
    assert_eq!(team.admin.post(&members, ben).await.data()["engineerId"], json!(ben_id));

    // A name that two have is refused with both.
    let body = json!({ "name": "Ben", "email": "other-ben@example.com" });
    team.admin.post("/auth/register", body).await.data();
    let refused =
        team.admin.send(Method::PATCH, "/engineers/ben", Some(&json!({ "role": "readonly" }))).await;
    let refused = refused.expect("an answer");
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"));
    assert!(refused.message().contains("other-ben@example.com"), "{}", refused.body);
    assert_eq!(refused.body["error"]["details"]["candidates"].as_array().map(Vec::len), Some(2));
    // Ana sees only one of them.
    assert_eq!(ana.client.get("/engineers/Ben").await.data()["id"], json!(ben_id));

    let changed = team.admin.patch("/engineers/ana@example.com", json!({ "role": "readonly" })).await;
    assert_eq!(changed.data()["role"], "readonly");
    assert_eq!(team.admin.delete(&format!("{members}/ben@example.com")).await.data()["removed"], true);
    let gone = team.admin.under_key(uuid::Uuid::now_v7().to_string());
    assert_eq!(gone.delete("/engineers/eve@example.com").await.data()["deleted"], true);
    assert_eq!(gone.delete("/engineers/eve@example.com").await.data()["deleted"], true, "a retry");
    assert_eq!(team.admin.delete("/engineers/eve@example.com").await.code(), "NOT_FOUND");
}
