//! Claims during work: all or none of the paths are claimed, guards check them, and leads release them by force.

use nexus_tests::{Answer, Client, Cluster, Team};
use reqwest::Method;
use serde_json::{Value, json};

/// One feature of Ana's agent "build", which holds `src/`.
struct Scene {
    team: Team,
    /// The engineer of `build` and `test`, without a session.
    ana: Client,
    build: Client,
    test: Client,
    ben: Client,
    fence: u64,
}

async fn scene(cluster: &Cluster) -> Scene {
    let team = Team::of(cluster).await;
    let (ana, ben) = (team.engineer("ana").await.client, team.engineer("ben").await.client);
    team.ready_feature("one", &["src/"]).await;
    let (build, test) = (team.agent(&ana, "build").await, team.agent(&ana, "test").await);
    let picked = build.post(&team.path("/features/one/pick"), json!({})).await;
    let fence = picked.data()["fence"].as_u64().expect("a fence");
    Scene { team, ana, build, test, ben, fence }
}

async fn release(client: &Client, team: &Team, body: Value) -> Answer {
    client.send(Method::DELETE, &team.path("/claims"), Some(&body)).await.expect("an answer")
}

#[tokio::test]
async fn all_or_none_of_the_paths_are_claimed_during_work() {
    let cluster = Cluster::start(3).await;
    let Scene { team, build, test, ben, .. } = scene(&cluster).await;
    let claims = team.path("/claims");
    let taken = build.post(&claims, json!({ "paths": ["docs/a.md", "./docs//b.md"] })).await;
    assert_eq!(taken.status.as_u16(), 201);
    let paths: Vec<&Value> =
        taken.data()["claims"].as_array().expect("a list").iter().map(|claim| &claim["filePath"]).collect();
    assert_eq!(paths, ["docs/a.md", "docs/b.md"]);
    assert_eq!(taken.data()["claims"][0]["mode"], "exclusive");
    assert!(taken.data()["claims"][0]["featureId"].is_null());

    let refused = test.post(&claims, json!({ "paths": ["notes.md", "docs/"] })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "FILE_ALREADY_CLAIMED"));
    assert_eq!(test.get(&team.path("/claims/mine")).await.data(), &json!([]), "none of them was claimed");
    for (body, field) in [
        (json!({}), "paths"),
        (json!({ "paths": [] }), "paths"),
        (json!({ "paths": ["/etc/passwd"] }), "paths"),
        (json!({ "paths": ["a"], "mode": "mine" }), "mode"),
        (json!({ "paths": ["a"], "featureId": "no-uuid" }), "featureId"),
    ] {
        let refused = build.post(&claims, body).await;
        assert_eq!(refused.code(), "VALIDATION_ERROR");
        assert!(refused.body["error"]["details"][field].is_array(), "{}", refused.body);
    }
    let unknown = json!({ "paths": ["a"], "featureId": uuid::Uuid::now_v7() });
    assert_eq!(build.post(&claims, unknown).await.code(), "NOT_FOUND");

    // Readers share a path with other readers, but not with a writer.
    let shared = json!({ "paths": ["lib/"], "mode": "shared" });
    test.post(&claims, shared.clone()).await.data();
    ben.post(&claims, shared).await.data();
    assert_eq!(build.post(&claims, json!({ "paths": ["lib/x.rs"] })).await.code(), "FILE_ALREADY_CLAIMED");

    let freed = release(&build, &team, json!({ "paths": ["docs/a.md"] })).await;
    assert_eq!(freed.data()["released"], json!(["docs/a.md"]));
    let freed = release(&build, &team, json!({})).await;
    assert_eq!(freed.data()["released"], json!(["docs/b.md"]), "the paths of the pick stay");
    assert_eq!(build.get(&team.path("/claims/mine")).await.data().as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_guard_learns_the_holders_of_paths() {
    let cluster = Cluster::start(3).await;
    let Scene { team, ana, build, test, ben, fence } = scene(&cluster).await;
    let check = team.path("/claims/check");
    let asked = json!({ "paths": ["src/a.rs", "free.md"] });
    let mine = build.post(&check, asked.clone()).await;
    assert_eq!(mine.data()["ok"], true);
    assert_eq!(mine.data()["paths"][0]["standing"], "mine");
    assert_eq!(mine.data()["paths"][1], json!({ "path": "free.md", "standing": "free", "claims": [] }));
    for other in [&test, &ben.via(&cluster.urls()[1])] {
        let held = other.post(&check, asked.clone()).await;
        assert_eq!(held.data()["ok"], false);
        let path = &held.data()["paths"][0];
        assert_eq!(
            (path["standing"].as_str(), path["claims"][0]["agent"].as_str()),
            (Some("held"), Some("build"))
        );
    }
    // Without a header, a request acts as the default session, in a check as in a claim: what another session of the
    // same engineer holds is not its own.
    let claims = team.path("/claims");
    let own = ana.post(&claims, json!({ "paths": ["by-hand.md"] })).await;
    own.data();
    let checked = ana.post(&check, json!({ "paths": ["src/a.rs", "by-hand.md"] })).await;
    let standings: Vec<_> =
        checked.data()["paths"].as_array().expect("a list").iter().map(|path| &path["standing"]).collect();
    assert_eq!(standings, ["held", "mine"]);
    let mine = ana.get(&team.path("/claims/mine")).await;
    assert_eq!(mine.data().as_array().map(Vec::len), Some(1), "{}", mine.body);
    release(&ana, &team, json!({})).await.data();
    let before = team.admin.get(&team.path("/claims")).await.data().clone();

    // Later claims of the holder for the same work have the fence of the work.
    let path = team.path("/features/one");
    build.patch(&path, json!({ "touches": ["src/", "docs/"] })).await.data();
    let later = build.post(&check, json!({ "paths": ["docs/a.md"], "fence": fence })).await;
    assert_eq!(later.data()["paths"][0]["standing"], "mine");

    // A newer holder makes an older fence stale.
    let with = |fence: u64| json!({ "paths": ["src/a.rs"], "fence": fence });
    assert_eq!(build.post(&check, with(fence)).await.data()["ok"], true);
    build.post(&team.path("/features/one/release"), json!({})).await.data();
    test.post(&team.path("/features/one/pick"), json!({})).await.data();
    let stale = build.post(&check, with(fence)).await;
    assert_eq!((stale.status.as_u16(), stale.code()), (409, "STALE_FENCE"));
    assert_eq!(stale.body["error"]["details"]["claim"]["agent"], "test");
    assert_eq!(build.post(&check, json!({})).await.code(), "VALIDATION_ERROR");
    assert_eq!(before.as_array().map(Vec::len), Some(1), "a check claims nothing");
    let stranger = team.stranger("eve").await;
    assert_eq!(stranger.client.post(&check, asked).await.code(), "NOT_PROJECT_MEMBER");
}

#[tokio::test]
async fn a_lead_releases_paths_by_force_and_must_give_a_reason() {
    let cluster = Cluster::start(1).await;
    let Scene { team, build, ben, .. } = scene(&cluster).await;
    let force = team.path("/claims/force-release");
    let body = json!({ "paths": ["src/"], "reason": "the laptop is at the bottom of a lake" });
    assert_eq!(ben.post(&force, body.clone()).await.code(), "INSUFFICIENT_ROLE");
    let silent = team.admin.post(&force, json!({ "paths": ["src/"] })).await;
    assert!(silent.body["error"]["details"]["reason"].is_array(), "{}", silent.body);
    let freed = team.admin.post(&force, body).await;
    assert_eq!(freed.data()["released"], json!(["src/"]));
    assert_eq!(build.get(&team.path("/claims/mine")).await.data(), &json!([]));
    ben.post(&team.path("/claims"), json!({ "paths": ["src/a.rs"] })).await.data();
    // The former holder learns of it from the refresh.
    let refreshed = build.post(&team.path("/claims/refresh"), json!({ "paths": ["src/"] })).await;
    assert_eq!(refreshed.data(), &json!({ "refreshed": [], "notOwned": ["src/"] }));
}

#[tokio::test]
async fn a_key_with_too_many_requests_gets_a_retry_after() {
    let cluster = Cluster::start_with(1, &["--rate-limit", "3"]).await;
    let team = Team::of(&cluster).await;
    let first = team.admin.get("/auth/me").await;
    assert_eq!(first.headers["ratelimit-limit"], "3");
    let mut asked = Vec::new();
    for _ in 0..60 {
        let admin = team.admin.clone();
        asked.push(tokio::spawn(async move { admin.get("/auth/me").await }));
    }
    let mut limited = Vec::new();
    for answer in asked {
        let answer = answer.await.expect("the task ends");
        if answer.status.as_u16() == 429 {
            limited.push(answer);
        }
    }
    let refused = limited.first().expect("60 at once are more than 3 a second");
    assert_eq!(
        (refused.code(), &refused.headers["ratelimit-remaining"]),
        ("RATE_LIMITED", &"0".parse().expect("a value"))
    );
    assert!(refused.headers.contains_key("retry-after") && refused.headers.contains_key("ratelimit-reset"));
}

#[tokio::test]
async fn the_history_of_claims_comes_in_pages_of_bounded_size_without_a_gap() {
    const ROUNDS: usize = 8;
    const PATHS: usize = 3_000;
    let cluster = Cluster::start(1).await;
    let Scene { team, test, .. } = scene(&cluster).await;
    let history = team.path("/claims/history");
    let before = test.post(&history, json!({ "paths": ["late.md"] })).await.data()["nextSince"].clone();
    for _ in 0..ROUNDS {
        test.post(&team.path("/claims"), json!({ "paths": ["docs/**", "late.md"] })).await.data();
        release(&test, &team, json!({})).await.data();
    }
    // Each claim of the folder collides with each of these.
    let paths: Vec<String> = (0..PATHS).map(|number| format!("docs/{number}.md")).collect();
    let (mut since, mut pages, mut changes) = (before, 0, Vec::new());
    loop {
        let page = test.post(&history, json!({ "paths": paths, "since": since })).await;
        let size = page.body.to_string().len();
        assert!(size < 6 * 1024 * 1024, "{size} bytes");
        let items = page.data()["items"].as_array().expect("a list").clone();
        changes.extend(items.iter().map(|item| (item["revision"].clone(), item["held"] == true)));
        assert!(
            items.iter().all(|item| item["filePath"] == "docs/**" && item["agent"] == "test"),
            "{items:?}"
        );
        pages += 1;
        since = page.data()["nextSince"].clone();
        if page.data()["hasMore"] == false {
            break;
        }
    }
    assert!(pages > 1, "it fits into one page");
    assert_eq!(changes.len(), 2 * ROUNDS * PATHS);
    assert_eq!(changes.iter().filter(|(_, held)| *held).count(), ROUNDS * PATHS);
    let late = test.post(&history, json!({ "paths": ["late.md"] })).await;
    assert_eq!(late.data()["items"].as_array().map(Vec::len), Some(2 * ROUNDS), "{}", late.body);
    assert!(late.data()["keptSince"].is_string(), "{}", late.body);
}
