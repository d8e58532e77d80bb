//! The same idempotency key and body return the first reply again: however often, through any node, after a change of
//! leader and after a restart of all nodes. Nothing is applied twice.

use nexus_tests::{Answer, Client, Cluster, Team, contract::is_sound, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The reply of this would fill the reply cache: a retry gets the whole roadmap as it is by then.
const TOLD_AS_IT_IS_NOW: [&str; 1] = ["reorder"];

/// A write with its answer.
struct Sent {
    name: &'static str,
    client: Client,
    method: Method,
    path: String,
    body: Option<Value>,
    answer: Answer,
}

/// Sends writes one after the other, each with an idempotency key of its own.
struct Writer {
    sent: Vec<Sent>,
    urls: Vec<String>,
}

impl Writer {
    async fn send(
        &mut self,
        name: &'static str,
        client: &Client,
        method: Method,
        path: impl Into<String>,
        body: Option<Value>,
    ) -> Value {
        let path = path.into();
        let url = &self.urls[self.sent.len() % self.urls.len()];
        let client = client.via(url).under_key(uuid::Uuid::now_v7().to_string());
        let answer = client.send(method.clone(), &path, body.as_ref()).await.expect("the node answers");
        is_sound(&answer);
        let data = answer.body["data"].clone();
        self.sent.push(Sent { name, client, method, path, body, answer });
        data
    }

    async fn post(
        &mut self,
        name: &'static str,
        client: &Client,
        path: impl Into<String>,
        body: Value,
    ) -> Value {
        self.send(name, client, Method::POST, path, Some(body)).await
    }

    async fn patch(
        &mut self,
        name: &'static str,
        client: &Client,
        path: impl Into<String>,
        body: Value,
    ) -> Value {
        self.send(name, client, Method::PATCH, path, Some(body)).await
    }

    async fn delete(&mut self, name: &'static str, client: &Client, path: impl Into<String>) -> Value {
        self.send(name, client, Method::DELETE, path, None).await
    }

    /// Sends all writes once more through a node, and then another body with each key.
    async fn again(&self, url: &str, shift: usize) {
        for sent in self.sent.iter().skip(shift).chain(self.sent.iter().take(shift)) {
            let client = sent.client.via(url);
            let answer = until_answered(&client, sent, sent.body.as_ref()).await;
            is_sound(&answer);
            assert_eq!(answer.status, sent.answer.status, "{} through {url}: {}", sent.name, answer.body);
            if !TOLD_AS_IT_IS_NOW.contains(&sent.name) {
                assert_eq!(first(&answer.body), first(&sent.answer.body), "{} through {url}", sent.name);
            }
            if sent.name == "heartbeat" {
                continue;
            }
            let refused = until_answered(&client, sent, another(sent).as_ref()).await;
            is_sound(&refused);
            assert_eq!(
                (refused.status.as_u16(), refused.code()),
                (422, "IDEMPOTENCY_KEY_REUSED"),
                "{}: {}",
                sent.name,
                refused.body
            );
        }
    }
}

/// Another body that the same route accepts.
fn another(sent: &Sent) -> Option<Value> {
    Some(match sent.name {
        // Each of its fields is a lane.
        "reorder" => json!({ "now": ["one"] }),
        // Here each of its fields is a setting.
        "settings" => json!({ "events.revisions": 50_000 }),
        // All fields of these are optional, and unknown ones are refused.
        "mint a key" | "reset a key" | "a join token" | "pick the next" | "give back" => json!({}),
        "a refused swap" => json!({ "by": 8 }),
        "change a role" => json!({ "role": "engineer" }),
        "claim" => json!({ "paths": ["docs/"] }),
        "take away" => json!({ "paths": ["docs/"], "reason": "another one" }),
        // These have no fields: no body differs from an empty object.
        "revoke a key" | "delete a project" | "delete an engineer" | "take out" | "a ticket"
        | "a snapshot" | "promote a voter" | "move the lead" | "drain a node" | "end the drain"
        | "a refused rebuild" | "a refused removal" | "draft" | "end a session" => {
            return sent.body.is_none().then(|| json!({}));
        }
        _ => {
            let mut other = sent.body.clone().unwrap_or_else(|| json!({}));
            other["somethingElse"] = json!(1);
            other
        }
    })
}

async fn until_answered(client: &Client, sent: &Sent, body: Option<&Value>) -> Answer {
    eventually("the write is answered", || async {
        let answer = client.send(sent.method.clone(), &sent.path, body).await.ok()?;
        (answer.status != 503).then_some(answer)
    })
    .await
}

/// An answer without its request id and the estimates of when leases end, which differ each time.
fn first(body: &Value) -> Value {
    match body {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "requestId" && *name != "expiresAt");
            fields
                .map(|(name, value)| (name.clone(), first(value)))
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect()
        }
        Value::Array(items) => items.iter().map(first).collect(),
        plain => plain.clone(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Sends one write of each kind, in an order in which each is possible.
async fn write_everything(writer: &mut Writer, cluster: &Cluster, team: &Team) {
    let admin = &team.admin;
    let nobody = cluster.client();
    let at = |rest: &str| team.path(rest);
    team.newest_rules().await;
    let made = writer
        .post("register", &nobody, "/auth/register", json!({ "name": "Ana", "email": "ana@example.com" }))
        .await;
    let (ana_id, ana) = (text(&made["engineer"]["id"]), admin.with_key(text(&made["apiKey"])));
    let minted = writer.post("mint a key", admin, "/auth/keys", json!({ "label": "ci" })).await;
    writer.delete("revoke a key", admin, format!("/auth/keys/{}", text(&minted["id"]))).await;
    let other = team.stranger("other").await;
    writer
        .post("reset a key", admin, "/engineers/other@example.com/keys", json!({ "keepOthers": true }))
        .await;
    let role = json!({ "role": "admin" });
    writer.patch("change a role", admin, format!("/engineers/{}", other.id), role).await;
    writer.post("make a project", admin, "/projects", json!({ "name": "P", "slug": "p" })).await;
    writer.delete("delete a project", admin, "/projects/p").await;
    team.stranger("gone").await;
    writer.delete("delete an engineer", admin, "/engineers/gone@example.com").await;
    writer.post("take in", admin, at("/members"), json!({ "engineerId": ana_id })).await;
    writer.post("take in another", admin, at("/members"), json!({ "engineerId": other.id })).await;
    writer.delete("take out", admin, at(&format!("/members/{}", other.id))).await;
    writer.patch("settings", admin, "/cluster/settings", json!({ "session.timeout": 77 })).await;
    writer.post("a join token", admin, "/cluster/join-tokens", json!({ "ttlSeconds": 60 })).await;
    writer.post("a ticket", admin, "/auth/ws-ticket", json!({})).await;

    // Operations outside of the log are carried out once, too.
    writer.send("a snapshot", admin, Method::POST, "/cluster/snapshot", None).await;
    writer.post("promote a voter", admin, "/cluster/members/2/promote", json!({})).await;
    writer.post("move the lead", admin, "/cluster/leader", json!({})).await;
    writer.post("drain a node", admin, "/cluster/members/2/drain", json!({})).await;
    writer.delete("end the drain", admin, "/cluster/members/2/drain").await;
    let no_node =
        writer.post("a refused swap", admin, "/cluster/members/2/replace", json!({ "by": 9 })).await;
    assert!(no_node.is_null(), "{no_node}");
    let nobody = writer.post("a refused rebuild", admin, "/cluster/members/99/rebuild", json!({})).await;
    assert!(nobody.is_null(), "{nobody}");
    let nobody = writer.delete("a refused removal", admin, "/cluster/members/99").await;
    assert!(nobody.is_null(), "{nobody}");

    for slug in ["one", "two", "three", "four", "five"] {
        let body = json!({ "slug": slug, "title": "t", "spec": "s", "touches": [format!("{slug}.rs")] });
        writer.post("write a feature", admin, at("/features"), body).await;
    }
    writer.patch("change it", admin, at("/features/one"), json!({ "title": "Uno", "spec": "S" })).await;
    writer.patch("and again", admin, at("/features/one"), json!({ "spec": "S2" })).await;
    writer.delete("throw it away", admin, at("/features/five")).await;
    for slug in ["one", "two", "three", "four"] {
        writer.post("ready", admin, at(&format!("/features/{slug}/ready")), json!({})).await;
    }
    writer.post("draft", admin, at("/features/four/draft"), json!({})).await;
    writer.patch("reorder", admin, at("/roadmap/reorder"), json!({ "now": ["two", "one"] })).await;
    writer.patch("move", admin, at("/roadmap/four/lane"), json!({ "lane": "icebox" })).await;

    let session = writer.post("start a session", &ana, at("/sessions"), json!({ "agent": "build" })).await;
    let session_id = text(&session["id"]);
    let build = ana.acting_as(&session_id);
    let feature = writer.post("pick", &build, at("/features/one/pick"), json!({})).await["id"].clone();
    let rival = writer.post("a refused pick", admin, at("/features/one/pick"), json!({})).await;
    assert!(rival.is_null(), "{rival}");
    writer.post("pick the next", &build, at("/features/pick-next"), json!({ "lanes": ["now"] })).await;
    writer.post("claim", &build, at("/claims"), json!({ "paths": ["docs/", "a/"] })).await;
    writer.post("refresh", &build, at("/claims/refresh"), json!({})).await;
    let body = json!({ "sessionId": session_id, "featureId": feature, "context": { "step": 1 } });
    writer.post("a checkpoint", &build, at("/sessions/checkpoints"), body.clone()).await;
    writer.post("the same one", &build, at("/sessions/checkpoints"), body).await;
    writer.post("learn", &build, at("/features/one/learnings"), json!({ "content": "c" })).await;
    let decision = json!({ "title": "t", "decision": "d", "featureSlug": "one" });
    writer.post("decide", &build, at("/decisions"), decision).await;
    let heartbeat = at(&format!("/sessions/{session_id}/heartbeat"));
    writer.send("heartbeat", &build, Method::POST, heartbeat, None).await;
    writer.post("release", &build, at("/features/two/release"), json!({})).await;
    writer.post("done", &build, at("/features/one/done"), json!({})).await;
    writer.post("cancel", &build, at("/features/three/cancel"), json!({})).await;
    let paths = json!({ "paths": ["a/"] });
    writer.send("give back", &build, Method::DELETE, at("/claims"), Some(paths)).await;
    let body = json!({ "paths": ["docs/"], "reason": "because" });
    writer.post("take away", admin, at("/claims/force-release"), body).await;
    let spare = writer.post("start another", &ana, at("/sessions"), json!({ "agent": "spare" })).await;
    writer.delete("end a session", &ana, at(&format!("/sessions/{}", text(&spare["id"])))).await;
}

#[tokio::test]
async fn every_write_with_an_idempotency_key_is_applied_once_and_always_gets_the_same_reply() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let mut writer = Writer { sent: Vec::new(), urls: cluster.urls() };
    write_everything(&mut writer, &cluster, &team).await;
    let failed: Vec<_> = writer
        .sent
        .iter()
        .filter(|sent| !sent.answer.status.is_success() && !sent.name.starts_with("a refused"))
        .map(|sent| (sent.name, &sent.answer.body))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    let picture = async |url: String| {
        let client = team.admin.via(url);
        let mut seen = Vec::new();
        for path in ["/features", "/claims", "/roadmap", "/decisions", "/features/one/learnings"] {
            seen.push(first(client.get(&team.path(path)).await.data()));
        }
        seen.push(first(client.get("/projects").await.data()));
        seen.push(first(client.get("/auth/keys").await.data()));
        seen.push(client.get(&team.path("")).await.data().clone());
        seen
    };
    let urls = cluster.urls();
    let before = picture(urls[0].clone()).await;
    writer.again(&urls[1], 0).await;

    let leader = cluster.leader().await;
    cluster.node(leader).kill();
    let left = cluster.nodes.iter().find(|node| node.number != leader).expect("three nodes").url();
    writer.again(&left, 7).await;

    for node in &mut cluster.nodes {
        node.kill();
    }
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.all_ready().await;
    for url in &urls {
        writer.again(url, 13).await;
    }
    assert_eq!(picture(urls[2].clone()).await, before, "nothing was applied twice");
    cluster.same_state(&team.admin).await;
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_engineer_and_has_a_format() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let ben = team.engineer("ben").await.client;
    let key = "the-same-key-of-two-people";
    let body = |slug: &str| json!({ "slug": slug, "title": "t", "spec": "s" });
    let path = team.path("/features");
    let one = team.admin.under_key(key).post(&path, body("one")).await;
    let two = ben.under_key(key).post(&path, body("two")).await;
    assert_eq!((&one.data()["slug"], &two.data()["slug"]), (&json!("one"), &json!("two")));
    // Another path is another request, too.
    let elsewhere = team.admin.under_key(key).post(&team.path("/decisions"), body("one")).await;
    assert_eq!(elsewhere.code(), "VALIDATION_ERROR", "the key is invalid, so nothing is decided");
    let decision = json!({ "title": "t", "decision": "d" });
    let elsewhere = team.admin.under_key(key).post(&team.path("/decisions"), decision).await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
    for wrong in ["", "tab\there", &"k".repeat(256)] {
        let refused = team.admin.under_key(wrong).post(&path, body("three")).await;
        is_sound(&refused);
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"), "{wrong:?}");
    }
    team.admin.under_key("k".repeat(255)).post(&path, body("three")).await.data();

    // Without an idempotency key, the same body twice is two requests.
    let again = team.admin.post(&path, body("three")).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "ALREADY_EXISTS"));
    // The first reply stays, whatever was changed since.
    let first = team.admin.under_key("change-and-look").post(&path, body("four")).await;
    team.admin.patch(&team.path("/features/four"), json!({ "title": "T", "spec": "S" })).await.data();
    let again = team.admin.under_key("change-and-look").post(&path, body("four")).await;
    assert_eq!(first.data(), again.data());
    assert_eq!(team.admin.get(&team.path("/features/four")).await.data()["spec"], "S");
    // A used ticket stays used, however often its reply is repeated. No other key of the engineer gets
    // the ticket.
    let asked = team.admin.under_key("one-ticket-for-me");
    let (first, again) =
        (asked.post("/auth/ws-ticket", json!({})).await, asked.post("/auth/ws-ticket", json!({})).await);
    assert_eq!(first.data()["ticket"], again.data()["ticket"]);
    let laptop = team.admin.post("/auth/keys", json!({ "label": "laptop" })).await;
    let laptop = asked.with_key(text(&laptop.data()["apiKey"]));
    assert_eq!(laptop.post("/auth/ws-ticket", json!({})).await.code(), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn an_operation_on_the_cluster_with_an_idempotency_key_is_carried_out_once() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let urls = cluster.urls();
    let through = |at: usize| team.admin.via(urls[at].clone());
    let hand_over = json!({ "to": follower_of(&mut cluster).await });
    let moved = through(0).under_key("move").post("/cluster/leader", hand_over.clone()).await;
    assert_eq!(moved.data()["leader"], hand_over["to"]);
    // The leadership moves on; a late retry gets the reply to the first request.
    let elsewhere = json!({ "to": follower_of(&mut cluster).await });
    through(1).under_key("move-on").post("/cluster/leader", elsewhere.clone()).await.data();
    for at in 0..3 {
        let again = through(at).under_key("move").post("/cluster/leader", hand_over.clone()).await;
        let repeated = (again.data(), again.revision());
        assert_eq!(
            repeated,
            (moved.data(), moved.revision()),
            "the reply and the revision of the first request"
        );
        let other = through(at).under_key("move").post("/cluster/leader", elsewhere.clone()).await;
        is_sound(&other);
        assert_eq!((other.status.as_u16(), other.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
        let other = through(at).under_key("move").post("/cluster/snapshot", json!({})).await;
        assert_eq!((other.status.as_u16(), other.code()), (422, "IDEMPOTENCY_KEY_REUSED"));
    }
    // An idempotency key belongs to one engineer; the rights of another one are checked first.
    let ana = team.engineer("ana").await.client;
    let refused = ana.under_key("move").post("/cluster/leader", hand_over.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "INSUFFICIENT_ROLE"));

    // A refusal is cached like any reply; without a key the request is decided again.
    let nowhere = json!({
        "joinToken": team.join_token().await,
        "instance": uuid::Uuid::now_v7(),
        "peerAddr": "127.0.0.1:1",
        "clientAddr": "127.0.0.1:2",
    });
    let guest = cluster.client().under_key("let-me-in");
    let refused = guest.post("/cluster/members", nowhere.clone()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"), "{}", refused.body);
    for url in cluster.urls() {
        let again = guest.via(url).post("/cluster/members", nowhere.clone()).await;
        assert_eq!((again.message(), again.revision()), (refused.message(), refused.revision()));
    }
    let mut elsewhere = nowhere.clone();
    elsewhere["peerAddr"] = json!("127.0.0.1:3");
    assert_eq!(guest.post("/cluster/members", elsewhere).await.code(), "IDEMPOTENCY_KEY_REUSED");
    // No reply is cached for a stranger, since another one may choose the same key.
    let guess = json!({ "joinToken": "a guess", "instance": nowhere["instance"],
        "peerAddr": "127.0.0.1:1", "clientAddr": "127.0.0.1:2" });
    let stranger = cluster.client().under_key("a-guess");
    let (first, again) = (
        stranger.post("/cluster/members", guess.clone()).await,
        stranger.post("/cluster/members", guess).await,
    );
    is_sound(&first);
    assert_eq!((first.status, first.code()), (again.status, again.code()));
    assert_eq!(stranger.post("/cluster/members", nowhere).await.message(), refused.message());
}

/// A follower of this leader.
async fn follower_of(cluster: &mut Cluster) -> u64 {
    cluster.leader().await % 3 + 1
}

#[tokio::test]
async fn a_retry_gets_the_reply_only_while_its_key_may_send_the_request() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    let ben = team.engineer("ben").await;
    let (path, body) = (team.path("/roadmap/reorder"), json!({ "now": ["one"] }));
    let asked = ben.client.under_key("reorder-of-ben");
    let first = asked.patch(&path, body.clone()).await;
    assert_eq!(asked.patch(&path, body.clone()).await.data(), first.data());
    // A narrower API key does not get the reply to a wider one.
    let reading = ben.client.post("/auth/keys", json!({ "readonly": true })).await;
    let reading = asked.with_key(text(&reading.data()["apiKey"]));
    assert_eq!(reading.patch(&path, body.clone()).await.code(), "FORBIDDEN");
    // A removed member gets no later content of the project.
    let gone = team.admin.delete(&team.path(&format!("/members/{}", ben.id))).await;
    gone.data();
    team.admin
        .patch(&team.path("/features/one"), json!({ "spec": "written after the removal" }))
        .await
        .data();
    let refused = asked.patch(&path, body.clone()).await;
    is_sound(&refused);
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "NOT_PROJECT_MEMBER"));
    assert!(!refused.body.to_string().contains("written after"), "{}", refused.body);
    // A former admin does not get replies for admins.
    let carl = team.engineer("carl").await;
    let role = |role: &str| (format!("/engineers/{}", carl.id), json!({ "role": role }));
    let (engineer, admin) = role("admin");
    team.admin.patch(&engineer, admin).await.data();
    let snapshot = carl.client.under_key("snapshot-of-carl");
    snapshot.post("/cluster/snapshot", json!({})).await.data();
    let token = carl.client.under_key("token-of-carl");
    token.post("/cluster/join-tokens", json!({})).await.data();
    team.admin.patch(&engineer, role("engineer").1).await.data();
    assert_eq!(token.post("/cluster/join-tokens", json!({})).await.code(), "INSUFFICIENT_ROLE");
    assert_eq!(snapshot.post("/cluster/snapshot", json!({})).await.code(), "INSUFFICIENT_ROLE");
}

#[tokio::test]
async fn a_guessed_idempotency_key_returns_no_api_key() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let ana = json!({ "name": "Ana", "email": "ana@example.com" });
    for guessable in ["register-ana@example.com", "the-first-key-of-ana-example-com", &"0".repeat(36)] {
        let refused = client.under_key(guessable).post("/auth/register", ana.clone()).await;
        is_sound(&refused);
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"), "{guessable}");
        assert!(refused.message().contains("UUID"), "{}", refused.message());
    }
    let random = client.under_key("7d0b9c52-61fe-4a38-8e24-f1c93a5d7b60");
    let first = random.post("/auth/register", ana.clone()).await;
    assert_eq!(first.status.as_u16(), 201, "the guesses registered nobody: {}", first.body);
    assert_eq!(random.post("/auth/register", ana.clone()).await.data(), first.data());
    let another = client.under_key(uuid::Uuid::now_v7().to_string()).post("/auth/register", ana).await;
    assert_eq!(another.code(), "ALREADY_EXISTS");
}
