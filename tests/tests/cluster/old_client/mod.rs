//! A client from before the cluster: it sends no header of the cluster, has no agents, and sends only the heartbeats
//! that it always sent. It works with any node, each request goes to another one, and every object has all of its
//! earlier fields.
//!
//! Here: people and projects. [`work`]: features, claims and collisions. [`record`]: sessions, checkpoints,
//! knowledge and the roadmap. [`surroundings`]: the socket, health and errors.

mod record;
mod surroundings;
mod work;

use nexus_tests::{
    Cluster,
    contract::{self, ENGINEER, ME, MEMBER, PROJECT, Strict, has},
};
use reqwest::Method;
use serde_json::{Value, json};

const VALIDATION: (u16, &str) = (400, "VALIDATION_ERROR");
const TRANSITION: (u16, &str) = (400, "INVALID_STATUS_TRANSITION");
const NOT_FOUND: (u16, &str) = (404, "NOT_FOUND");
const NO_UUID: &str = "not-a-uuid";

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn slugs(features: &[Value]) -> Vec<String> {
    features.iter().map(|feature| text(&feature["slug"])).collect()
}

/// Two engineers in one project, which the first of them leads.
struct Scene {
    nobody: Strict,
    ana: Strict,
    ben: Strict,
    /// The id of the engineer Ben.
    ben_id: String,
    /// The id of the engineer Ana.
    ana_id: String,
    /// The path of the project.
    at: String,
    _cluster: Cluster,
}

impl Scene {
    async fn set() -> Self {
        let cluster = Cluster::start(3).await;
        let nobody = Strict::new(cluster.client(), cluster.urls());
        let (ana, ana_id) = register(&nobody, "Ana").await;
        let (ben, ben_id) = register(&nobody, "Ben").await;
        let project = ana.make("/projects", json!({ "name": "Demo", "slug": "demo" })).await;
        let at = format!("/projects/{}", text(&project["id"]));
        ana.make(&format!("{at}/members"), json!({ "engineerId": ben_id })).await;
        Self { nobody, ana, ben, ben_id, ana_id, at, _cluster: cluster }
    }

    fn at(&self, rest: &str) -> String {
        format!("{}{rest}", self.at)
    }

    async fn draft(&self, slug: &str, touches: &[&str]) -> Value {
        let body = json!({ "slug": slug, "title": slug, "spec": "do it", "touches": touches });
        self.ana.make(&self.at("/features"), body).await
    }

    async fn step(&self, who: &Strict, slug: &str, step: &str) -> Value {
        who.post(&self.at(&format!("/features/{slug}/{step}")), json!({})).await
    }

    async fn ready(&self, slug: &str, touches: &[&str]) {
        self.draft(slug, touches).await;
        self.step(&self.ana, slug, "ready").await;
    }
}

async fn register(nobody: &Strict, name: &str) -> (Strict, String) {
    let body = json!({ "name": name, "email": format!("{name}@Example.com") });
    let made = nobody.make("/auth/register", body).await;
    has(&made["engineer"], ENGINEER);
    assert_eq!(made["engineer"]["email"], format!("{name}@example.com").to_lowercase());
    let key = text(&made["apiKey"]);
    let random = key.strip_prefix("nexus_eng_").expect("the form of a key");
    assert!(key.len() == 74 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    (nobody.with(|client| client.with_key(&key)), text(&made["engineer"]["id"]))
}

#[tokio::test]
async fn an_old_client_registers_and_starts_a_project() {
    let Scene { nobody, ana, ben, ben_id, ana_id, at, _cluster } = Scene::set().await;
    let me = ana.get("/auth/me").await;
    assert_eq!(has(&me, ME)["role"], "engineer");
    assert_eq!((&me["id"], &me["email"]), (&json!(ana_id), &json!("ana@example.com")));
    let taken = json!({ "name": "Another", "email": "ANA@EXAMPLE.com" });
    nobody.refused((409, "ALREADY_EXISTS"), Method::POST, "/auth/register", Some(taken)).await;
    for (body, field) in [
        (json!({ "email": "a@example.com" }), "name"),
        (json!({ "name": "", "email": "a@example.com" }), "name"),
        (json!({ "name": "n".repeat(101), "email": "a@example.com" }), "name"),
        (json!({ "name": "A" }), "email"),
        (json!({ "name": "A", "email": "no address" }), "email"),
        (json!({ "name": "A", "email": format!("{}@example.com", "a".repeat(244)) }), "email"),
    ] {
        nobody.wrong("/auth/register", body, field).await;
    }
    let longest = json!({ "name": "n".repeat(100), "email": format!("{}@example.com", "b".repeat(243)) });
    nobody.make("/auth/register", longest).await;

    // The caller.
    nobody.refused((401, "UNAUTHORIZED"), Method::GET, "/auth/me", None).await;
    for key in ["", "x", "nexus_eng_", &format!("nexus_eng_{}", "0".repeat(64)), &"f".repeat(74)] {
        let wrong = nobody.with(|client| client.with_key(key));
        wrong.refused((401, "INVALID_API_KEY"), Method::GET, "/auth/me", None).await;
    }

    // Projects.
    let project = has(&ana.get(&at).await, PROJECT).clone();
    assert_eq!(
        (&project["name"], &project["slug"], &project["defaultBranch"]),
        (&json!("Demo"), &json!("demo"), &json!("main"))
    );
    assert!(project["repoUrl"].is_null() && project["repoPath"].is_null(), "{project}");
    let members = contract::all(&project["members"], MEMBER);
    let mut roles: Vec<_> =
        members.iter().map(|member| (text(&member["engineerId"]), text(&member["role"]))).collect();
    roles.sort();
    let mut expected = vec![(ana_id.clone(), "lead".to_owned()), (ben_id.clone(), "member".to_owned())];
    expected.sort();
    assert_eq!(roles, expected);
    let whole = json!({
        "name": "n".repeat(100), "slug": format!("{}-1", "s".repeat(48)), "repoUrl": "https://example.com/r.git",
        "repoPath": "packages/one", "defaultBranch": "trunk", "somethingNew": true,
    });
    let second = ana.make("/projects", whole.clone()).await;
    for field in ["name", "slug", "repoUrl", "repoPath", "defaultBranch"] {
        assert_eq!(has(&second, PROJECT)[field], whole[field]);
    }
    for (body, field) in [
        (json!({ "slug": "a" }), "name"),
        (json!({ "name": "", "slug": "a" }), "name"),
        (json!({ "name": "n".repeat(101), "slug": "a" }), "name"),
        (json!({ "name": "N" }), "slug"),
        (json!({ "name": "N", "slug": "" }), "slug"),
        (json!({ "name": "N", "slug": "s".repeat(51) }), "slug"),
        (json!({ "name": "N", "slug": "Upper" }), "slug"),
        (json!({ "name": "N", "slug": "a", "repoUrl": "nowhere" }), "repoUrl"),
    ] {
        ana.wrong("/projects", body, field).await;
    }
    assert_eq!(contract::all(&ana.get("/projects").await, PROJECT).len(), 2);
    assert_eq!(contract::all(&ben.get("/projects").await, PROJECT).len(), 1);
    let (eve, eve_id) = register(&nobody, "Eve").await;
    assert_eq!(eve.get("/projects").await, json!([]));

    // Foreign projects.
    let second = format!("/projects/{}", text(&second["id"]));
    ana.refused(VALIDATION, Method::GET, &format!("/projects/{NO_UUID}"), None).await;
    ana.refused(NOT_FOUND, Method::GET, &format!("/projects/{ana_id}"), None).await;
    ben.refused((403, "NOT_PROJECT_MEMBER"), Method::GET, &second, None).await;
    let members = format!("{at}/members");
    let of = |id: &str| json!({ "engineerId": id });
    ben.refused((403, "INSUFFICIENT_ROLE"), Method::POST, &members, Some(of(&eve_id))).await;
    eve.refused((403, "NOT_PROJECT_MEMBER"), Method::POST, &members, Some(of(&eve_id))).await;
    ana.refused(NOT_FOUND, Method::POST, &members, Some(of("00000000-0000-4000-8000-000000000000"))).await;
    ana.refused((409, "ALREADY_EXISTS"), Method::POST, &members, Some(of(&ben_id))).await;
    ana.wrong(&members, of(NO_UUID), "engineerId").await;
    ana.wrong(&members, json!({ "engineerId": eve_id, "role": "king" }), "role").await;
    let lead = ana.make(&members, json!({ "engineerId": eve_id, "role": "lead" })).await;
    assert_eq!((&has(&lead, MEMBER)["role"], &lead["name"]), (&json!("lead"), &json!("Eve")));
    let (_, fay) = register(&nobody, "Fay").await;
    eve.make(&members, of(&fay)).await;
}
