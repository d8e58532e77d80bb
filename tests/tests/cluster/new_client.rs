//! A client that uses everything that the cluster adds: sessions of agents, idempotency keys, revisions, consistency
//! levels of reads, dependencies, claims during work, keys and roles, the event feed in all its forms, and the
//! cluster itself. Each request goes to another node.

use nexus_tests::{
    Client, Cluster, Refused, Socket, Team,
    contract::{
        self, API_KEY, CHECKPOINT, CLAIM, CLAIM_ADDED, CLUSTER, EVENT, FEATURE, FEATURE_ADDED, Form, ME,
        SESSION, SESSION_ADDED, Strict, has,
    },
};
use reqwest::Method;
use serde_json::{Value, json};

const VALIDATION: (u16, &str) = (400, "VALIDATION_ERROR");
const NOT_FOUND: (u16, &str) = (404, "NOT_FOUND");
const CLAIMED: (u16, &str) = (409, "FILE_ALREADY_CLAIMED");

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// An admin who leads a project, and an engineer with two agents in it.
struct Scene {
    team: Team,
    admin: Strict,
    ana: Strict,
    ana_id: String,
    build: Strict,
    test: Strict,
    cluster: Cluster,
}

impl Scene {
    async fn set() -> Self {
        let cluster = Cluster::start(3).await;
        let team = Team::of(&cluster).await;
        let strict = |client: Client| Strict::new(client, cluster.urls());
        let ana = team.engineer("ana").await;
        let (ana, ana_id) = (strict(ana.client), ana.id);
        let agent = async |name: &str| {
            let session = ana.make(&team.path("/sessions"), json!({ "agent": name })).await;
            has(&session, SESSION);
            assert_eq!(has(&session, SESSION_ADDED)["agent"], name);
            ana.with(|client| client.acting_as(text(&session["id"])))
        };
        let (build, test) = (agent("build").await, agent("test").await);
        let admin = strict(team.admin.clone());
        Self { admin, ana, ana_id, build, test, team, cluster }
    }

    fn at(&self, rest: &str) -> String {
        self.team.path(rest)
    }

    async fn ready(&self, slug: &str, more: Value) -> Value {
        let mut body = json!({ "slug": slug, "title": slug, "spec": "do it" });
        for (name, value) in more.as_object().expect("fields") {
            body[name] = value.clone();
        }
        self.ana.make(&self.at("/features"), body).await;
        self.ana.post(&self.at(&format!("/features/{slug}/ready")), json!({})).await
    }

    async fn step(&self, who: &Strict, slug: &str, step: &str) -> Value {
        who.post(&self.at(&format!("/features/{slug}/{step}")), json!({})).await
    }
}

fn id_of(who: &Strict) -> String {
    who.next().session().expect("a session").to_owned()
}

#[tokio::test]
async fn a_new_client_lets_two_agents_of_one_engineer_work_side_by_side() {
    let scene = Scene::set().await;
    let Scene { ana, build, test, .. } = &scene;
    scene.ready("api", json!({ "touches": ["src/api/"], "reads": ["src/lib.rs"] })).await;
    scene.ready("web", json!({ "touches": ["src/**/*.ts"], "reads": ["src/lib.rs"], "lane": "now" })).await;
    scene
        .ready("doc", json!({ "touches": ["doc/"], "dependsOn": ["api"], "lane": "now", "priority": 1 }))
        .await;
    scene.ready("lib", json!({ "touches": ["src/lib.rs"], "lane": "later" })).await;

    // A feature with an open dependency is not available; the best available one is picked.
    let available = ana.get(&scene.at("/features/available")).await;
    let features = contract::all(&available, FEATURE);
    contract::all(&available, FEATURE_ADDED);
    let order: Vec<String> = features.iter().map(|feature| text(&feature["slug"])).collect();
    assert_eq!(order, ["web", "api", "lib", "doc"]);
    assert_eq!(features[3]["blockedBy"]["dependsOn"], json!(["api"]));
    let next = scene.at("/features/pick-next");
    let picked = test.post(&next, json!({ "lanes": ["next"] })).await;
    has(&picked, FEATURE);
    assert_eq!(
        json!([has(&picked, FEATURE_ADDED)["slug"], picked["sessionId"], picked["agent"], picked["reads"]]),
        json!(["api", id_of(test), "test", ["src/lib.rs"]])
    );
    let claims = contract::all(&picked["claims"], CLAIM);
    contract::all(&picked["claims"], CLAIM_ADDED);
    let held: Vec<Value> = claims
        .iter()
        .map(|claim| {
            json!([claim["filePath"], claim["mode"], claim["fence"], claim["agent"], claim["sessionId"]])
        })
        .collect();
    let fence = &picked["fence"];
    assert_eq!(
        held,
        [
            json!(["src/api/", "exclusive", fence, "test", id_of(test)]),
            json!(["src/lib.rs", "shared", fence, "test", id_of(test)])
        ]
    );

    // The other agent of the same engineer collides like a stranger, and the refusal names the session.
    let path = |slug: &str, step: &str| scene.at(&format!("/features/{slug}/{step}"));
    let conflict = build.refused(CLAIMED, Method::POST, &path("web", "pick"), None).await;
    let holder = has(&conflict["details"]["conflicts"][0]["claimedBy"], contract::CLAIMED_BY);
    assert_eq!(
        json!([holder["sessionId"], holder["agent"], holder["engineerId"]]),
        json!([id_of(test), "test", scene.ana_id])
    );
    build.refused(CLAIMED, Method::POST, &path("lib", "pick"), None).await;
    let blocked = ana.get(&scene.at("/features/available")).await;
    let web = blocked.as_array().expect("a list").iter().find(|found| found["slug"] == "web");
    let by = &web.expect("it is listed")["blockedBy"];
    has(
        by,
        &[
            ("sessionId", Form::Id),
            ("agent", Form::Text),
            ("filePath", Form::Text),
            ("expiresAt", Form::Moment),
        ],
    );
    let nothing = build.refused(NOT_FOUND, Method::POST, &next, Some(json!({}))).await;
    let mut rest: Vec<String> = nothing["details"]["blocked"]
        .as_array()
        .expect("what blocks the rest")
        .iter()
        .map(|blocked| text(&blocked["featureSlug"]))
        .collect();
    rest.sort();
    assert_eq!(rest, ["doc", "lib", "web"]);
    build.wrong(&next, json!({ "lanes": ["soon"] }), "lanes").await;

    // Readers share a path; a request as a session acts for that session alone.
    scene.ready("more", json!({ "reads": ["src/lib.rs"] })).await;
    let more = scene.step(build, "more", "pick").await;
    assert!(more["fence"].as_u64() > fence.as_u64(), "a fence only grows");
    build.refused(VALIDATION, Method::POST, &path("api", "done"), None).await;
    test.refused((409, "FEATURE_ALREADY_CLAIMED"), Method::POST, &path("more", "pick"), None).await;
    // New paths of an active feature are claimed in the same step, or nothing changes.
    let feature = scene.at("/features/more");
    let wider = json!({ "touches": ["src/api/x.rs"], "title": "Wider" });
    build.refused(CLAIMED, Method::PATCH, &feature, Some(wider)).await;
    assert_eq!(ana.get(&feature).await["title"], "more");
    build.patch(&feature, json!({ "touches": ["tools/"], "reads": [] })).await;
    let mine = build.get(&scene.at("/claims/mine")).await;
    assert_eq!(mine.as_array().map(Vec::len), Some(1));
    assert_eq!((&mine[0]["filePath"], &mine[0]["mode"]), (&json!("tools/"), &json!("exclusive")));
    // Without a session, the request is the engineer's, who may complete the features of all own sessions.
    assert_eq!(scene.step(ana, "api", "done").await["status"], "done");
    assert_eq!(scene.step(test, "doc", "pick").await["dependsOn"], json!(["api"]));
    assert_eq!(scene.step(test, "doc", "release").await["status"], "ready");
    assert_eq!(scene.step(ana, "doc", "draft").await["status"], "draft");

    // A session that ends releases all its claims.
    assert_eq!(ana.delete(&scene.at(&format!("/sessions/{}", id_of(build)))).await, json!({ "ok": true }));
    assert_eq!(ana.get(&feature).await["status"], "ready");
    assert_eq!(ana.get(&scene.at("/claims")).await, json!([]));
    let gone = build.ask(Method::POST, &path("more", "pick"), None).await;
    assert_eq!((gone.status.as_u16(), gone.code()), NOT_FOUND);
    // Another session may pick its interrupted feature.
    let status = ana.get(&scene.at("/status")).await;
    let interrupted = &has(&status, &[("interrupted", Form::List)])["interrupted"];
    assert_eq!((interrupted.as_array().map(Vec::len), &interrupted[0]["slug"]), (Some(1), &json!("more")));
}

#[tokio::test]
async fn a_new_client_claims_checks_and_releases_by_force() {
    let scene = Scene::set().await;
    let Scene { admin, ana, build, test, .. } = &scene;
    let (claims, check) = (scene.at("/claims"), scene.at("/claims/check"));
    let made = build.make(&claims, json!({ "paths": ["a.rs", "./b/../c/"] })).await;
    let made = contract::all(&made["claims"], CLAIM_ADDED);
    assert_eq!(made.iter().map(|claim| &claim["filePath"]).collect::<Vec<_>>(), ["a.rs", "c/"]);
    let fence = made[0]["fence"].as_u64().expect("a fence");
    test.refused(CLAIMED, Method::POST, &claims, Some(json!({ "paths": ["z", "c/d"] }))).await;
    test.make(&claims, json!({ "paths": ["r/"], "mode": "shared" })).await;
    build.make(&claims, json!({ "paths": ["r/x"], "mode": "shared" })).await;
    // Without a header, the engineer's default session asks, and another session of the engineer holds the file.
    for (who, ok) in [(build, true), (test, false), (admin, false), (ana, false)] {
        let checked = who.post(&check, json!({ "paths": ["a.rs", "free"] })).await;
        assert_eq!(checked["ok"], ok, "{checked}");
    }
    assert_eq!(build.post(&check, json!({ "paths": ["a.rs"], "fence": fence })).await["ok"], true);
    let body = json!({ "paths": ["a.rs"], "fence": fence - 1 });
    test.refused((409, "STALE_FENCE"), Method::POST, &check, Some(body)).await;
    let freed = build.ok(200, Method::DELETE, &claims, Some(json!({ "paths": ["a.rs"] }))).await;
    assert_eq!(freed["released"], json!(["a.rs"]));
    let force = scene.at("/claims/force-release");
    let body = json!({ "paths": ["c/"], "reason": "gone home" });
    test.refused((403, "INSUFFICIENT_ROLE"), Method::POST, &force, Some(body.clone())).await;
    assert_eq!(admin.post(&force, body).await["released"], json!(["c/"]));
    admin.wrong(&force, json!({ "paths": ["c/"] }), "reason").await;
    let all = build.ok(200, Method::DELETE, &claims, None).await;
    assert_eq!(all["released"], json!(["r/x"]));
    for path in ["/etc/passwd", "a/../../b", "a\u{0}b", &"x".repeat(1_025), ""] {
        build.wrong(&claims, json!({ "paths": [path] }), "paths").await;
    }
    build.make(&claims, json!({ "paths": ["x".repeat(1_024)] })).await;
}

#[tokio::test]
async fn a_new_client_reads_as_fresh_as_it_wants() {
    let mut scene = Scene::set().await;
    let urls = scene.cluster.urls();
    let (ana, path) = (scene.ana.clone(), scene.at("/features/one"));
    for round in 0..9 {
        let title = json!({ "title": format!("{round}") });
        let method = if round == 0 { Method::POST } else { Method::PATCH };
        let body = json!({ "slug": "one", "title": "0", "spec": "s" });
        let (path, body) = match round {
            0 => (scene.at("/features"), body),
            _ => (path.clone(), title),
        };
        let written = ana.ask(method, &path, Some(body)).await;
        let revision = written.revision();
        assert!(written.status.is_success() && revision > 0, "{}", written.body);
        // A client sees its own writes on any node, even in a stale read that waits for them.
        for url in &urls {
            let reader = ana.next().via(url).with_header("X-Nexus-Min-Revision", revision.to_string());
            let seen = reader.get(&scene.at("/features/one?consistency=stale")).await;
            contract::is_sound(&seen);
            assert_eq!(seen.data()["title"], format!("{round}"), "{url}");
            assert!(seen.revision() >= revision);
            let staleness = seen.headers["x-nexus-staleness-ms"].to_str().expect("ASCII");
            staleness.parse::<u64>().expect("milliseconds");
            let fresh = ana.next().via(url).get(&scene.at("/features/one")).await;
            assert_eq!(fresh.data()["title"], format!("{round}"));
            assert!(fresh.revision() >= revision && !fresh.headers.contains_key("x-nexus-staleness-ms"));
        }
    }
    let team = scene.team.clone();
    let at = |query: &str| team.path(&format!("/features/one{query}"));
    ana.get(&at("?consistency=linearizable")).await;
    ana.refused(VALIDATION, Method::GET, &at("?consistency=eventual"), None).await;
    for wrong in ["x", "-1", ""] {
        let reader = ana.with(|client| client.with_header("X-Nexus-Min-Revision", wrong));
        reader.refused(VALIDATION, Method::GET, &at(""), None).await;
    }
    // The session header is checked wherever it is sent.
    let nobody = ana.with(|client| client.acting_as("no-uuid"));
    nobody.refused(VALIDATION, Method::GET, &at("?consistency=stale"), None).await;
    // A revision that does not come: 503 after a while, and nothing was applied.
    let reader = ana.with(|client| client.with_header("X-Nexus-Min-Revision", "999999999"));
    for query in ["", "?consistency=stale"] {
        let late = reader.ask(Method::GET, &at(query), None).await;
        assert_eq!((late.status.as_u16(), late.code()), (503, "SERVICE_UNAVAILABLE"));
        assert!(late.headers.contains_key("retry-after"), "{}", late.body);
        assert_eq!(late.body["error"]["details"]["outcome"], "not_applied");
    }
    // A single remaining node serves its old state, and refuses everything else.
    for number in [2, 3] {
        scene.cluster.node(number).kill();
    }
    let alone = ana.next().via(&urls[0]);
    let stale = alone.get(&at("?consistency=stale")).await;
    assert_eq!(stale.data()["title"], "8");
    assert!(stale.headers.contains_key("x-nexus-staleness-ms"));
    for answer in [alone.get(&at("")).await, alone.patch(&path, json!({ "title": "9" })).await] {
        contract::is_sound(&answer);
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "SERVICE_UNAVAILABLE"));
        assert!(answer.headers.contains_key("retry-after"));
        let outcome = text(&answer.body["error"]["details"]["outcome"]);
        assert!(["not_applied", "unknown"].contains(&outcome.as_str()), "{outcome}");
    }
    let health = alone.send_bare(Method::GET, "/health/ready", None).await.expect("the node answers");
    assert_eq!((health.status.as_u16(), &health.body["status"]), (503, &json!("not_ready")));
    let live = alone.send_bare(Method::GET, "/health/live", None).await.expect("the node answers");
    assert_eq!((live.status.as_u16(), &live.body["status"]), (200, &json!("alive")));
}

#[tokio::test]
async fn a_new_client_manages_keys_roles_and_members() {
    let scene = Scene::set().await;
    let Scene { admin, ana, .. } = &scene;
    let minted = ana.make("/auth/keys", json!({ "label": "ci", "projectId": scene.team.project, "readonly": true, "expiresAt": "2100-01-01T00:00:00.000Z" })).await;
    has(&minted, API_KEY);
    let ci = ana.with(|client| client.with_key(text(&minted["apiKey"])));
    let listed = ana.get("/auth/keys").await;
    assert_eq!(contract::all(&listed, API_KEY).len(), 2);
    assert!(!listed.to_string().contains("nexus_eng_"));
    assert_eq!(ci.get("/auth/me").await["name"], "ana");
    ci.get(&scene.at("/features")).await;
    let body = json!({ "slug": "x", "title": "t", "spec": "s" });
    ci.refused((403, "FORBIDDEN"), Method::POST, &scene.at("/features"), Some(body.clone())).await;
    let revoke = format!("/auth/keys/{}", text(&minted["id"]));
    assert_eq!(ana.delete(&revoke).await, json!({ "deleted": true }));
    ci.refused((401, "INVALID_API_KEY"), Method::GET, "/auth/me", None).await;

    let engineer = format!("/engineers/{}", scene.ana_id);
    let readonly = json!({ "role": "readonly" });
    ana.refused((403, "INSUFFICIENT_ROLE"), Method::PATCH, &engineer, Some(readonly.clone())).await;
    assert_eq!(has(&admin.patch(&engineer, readonly).await, ME)["role"], "readonly");
    let write = ana.ask(Method::POST, &scene.at("/features"), Some(body)).await;
    assert_eq!(write.status, 403, "{}", write.body);
    ana.get(&scene.at("/features")).await;
    admin.refused(VALIDATION, Method::PATCH, &engineer, Some(json!({ "role": "king" }))).await;
    admin.patch(&engineer, json!({ "role": "engineer" })).await;
    let member = scene.at(&format!("/members/{}", scene.ana_id));
    ana.refused(
        (403, "INSUFFICIENT_ROLE"),
        Method::DELETE,
        &scene.at(&format!("/members/{}", text(&admin.get("/auth/me").await["id"]))),
        None,
    )
    .await;
    admin.delete(&member).await;
    ana.refused((403, "NOT_PROJECT_MEMBER"), Method::GET, &scene.at(""), None).await;
    admin.refused(NOT_FOUND, Method::DELETE, &member, None).await;
}

#[tokio::test]
async fn a_new_client_receives_every_event_once_by_poll_by_key_and_by_ticket() {
    let scene = Scene::set().await;
    let Scene { team, ana, build, .. } = &scene;
    let before = ana.get(&scene.at("/events?since=0&limit=1000")).await;
    has(&before, &[("items", Form::List), ("nextSince", Form::Number), ("hasMore", Form::Flag)]);
    let since = before["nextSince"].as_u64().expect("a revision");
    let mut following = Socket::joined(&build.next(), &team.project, Some(since)).await;
    // A browser, with a ticket and no header.
    let issued = ana.ok(201, Method::POST, "/auth/ws-ticket", None).await;
    has(&issued, &[("ticket", Form::Text), ("expiresAt", Form::Moment)]);
    let browser = scene.cluster.client().via(&scene.cluster.urls()[2]);
    let address = format!("/ws?ticket={}", text(&issued["ticket"]));
    let mut page = Socket::try_open(&browser, &address).await.expect("the ticket opens a socket");
    assert_eq!(page.receive().await["type"], "connected");
    assert_eq!(page.join(&team.project, Some(since)).await["type"], "joined");
    assert!(
        matches!(Socket::try_open(&browser, &address).await, Err(Refused::Answer(status, _)) if status == 401)
    );

    let waiting = {
        let (ana, path) = (ana.clone(), scene.at("/events"));
        let now = ana.get(&format!("{path}?since={since}&limit=1000")).await["nextSince"].clone();
        tokio::spawn(async move { ana.get(&format!("{path}?since={now}&waitMs=30000")).await })
    };
    scene.ready("one", json!({ "touches": ["a"] })).await;
    let first = waiting.await.expect("the poll is answered");
    assert!(!contract::all(&first["items"], EVENT).is_empty(), "{first}");
    scene.step(build, "one", "pick").await;
    scene
        .admin
        .post(&scene.at("/claims/force-release"), json!({ "paths": ["a"], "reason": "why not" }))
        .await;
    scene.step(build, "one", "done").await;

    let received = following.receive_until("feature_completed").await;
    let seen = page.receive_until("feature_completed").await;
    let polled = ana.get(&scene.at(&format!("/events?since={since}&limit=1000"))).await;
    assert_eq!(contract::all(&polled["items"], EVENT), &received);
    assert_eq!(seen, received, "all subscribers receive the same");
    let place = |event: &Value| (event["revision"].as_u64(), event["seq"].as_u64());
    assert!(received.windows(2).all(|pair| place(&pair[0]) < place(&pair[1])));
    let find = |kind: &str| received.iter().find(|event| event["type"] == kind).expect("it was received");
    let claimed = find("feature_claimed");
    assert_eq!(
        json!([claimed["sessionId"], claimed["agent"], claimed["engineer"]["id"], claimed["projectId"]]),
        json!([id_of(build), "build", scene.ana_id, team.project])
    );
    let mut without_spec = claimed["feature"].clone();
    assert!(without_spec.get("spec").is_none());
    without_spec["spec"] = json!("");
    has(&without_spec, FEATURE);
    has(&without_spec, FEATURE_ADDED);
    assert_eq!(find("files_released")["reason"], "forced");
    // From the middle on, through another node.
    let middle = claimed["revision"].as_u64().expect("a revision");
    let mut resumed = Socket::joined(&ana.next(), &team.project, Some(middle)).await;
    let rest = resumed.receive_until("feature_completed").await;
    let expected: Vec<&Value> =
        received.iter().filter(|event| event["revision"].as_u64() > Some(middle)).collect();
    assert_eq!(rest.iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_new_client_manages_checkpoints_and_the_cluster() {
    let scene = Scene::set().await;
    let Scene { admin, ana, build, .. } = &scene;
    let feature = scene.ready("one", json!({})).await["id"].clone();
    let checkpoints = scene.at("/sessions/checkpoints");
    for step in 0..3 {
        let body = json!({ "sessionId": id_of(build), "featureId": feature, "context": { "step": step } });
        build.make(&checkpoints, body).await;
    }
    let history = ana.get(&format!("{checkpoints}?featureId={}&limit=2", text(&feature))).await;
    let newest = contract::page(&history, CHECKPOINT);
    assert_eq!((&newest[0]["context"]["step"], &newest[0]["isLatest"]), (&json!(2), &json!(true)));
    assert_eq!((&newest[1]["context"]["step"], &newest[1]["isLatest"]), (&json!(1), &json!(false)));
    let nameless = ana.refused(VALIDATION, Method::GET, &checkpoints, None).await;
    assert!(text(&nameless["message"]).contains("featureId"));

    let status = ana.get("/cluster/status").await;
    assert_eq!(has(&status, CLUSTER)["nodes"].as_array().map(Vec::len), Some(3));
    let members = ana.get("/cluster/members").await;
    assert_eq!(members["members"].as_array().map(Vec::len), Some(3));
    for (method, path, body) in [
        (Method::GET, "/cluster/settings", None),
        (Method::PATCH, "/cluster/settings", Some(json!({}))),
        (Method::POST, "/cluster/join-tokens", Some(json!({}))),
        (Method::POST, "/cluster/leader", Some(json!({}))),
        (Method::POST, "/cluster/snapshot", None),
        (Method::POST, "/cluster/members/1/promote", None),
        (Method::POST, "/cluster/members/1/rebuild", Some(json!({}))),
        (Method::DELETE, "/cluster/members/1", None),
        (Method::POST, "/cluster/members/1/demote", None),
        (Method::POST, "/cluster/members/1/replace", Some(json!({ "by": 2 }))),
        (Method::POST, "/cluster/members/1/drain", None),
        (Method::DELETE, "/cluster/members/1/drain", None),
    ] {
        ana.refused((403, "INSUFFICIENT_ROLE"), method, path, body).await;
    }
    let nobody = Strict::new(scene.cluster.client(), scene.cluster.urls());
    nobody.refused((401, "UNAUTHORIZED"), Method::GET, "/cluster/status", None).await;
    let settings = admin.get("/cluster/settings").await;
    assert_eq!(
        json!([
            settings["registration"],
            settings["session.timeout"],
            settings["session.grace"],
            settings["session.unattended"]
        ]),
        json!(["open", 90.0, 300.0, 7200.0])
    );
    admin.ok(200, Method::POST, "/cluster/snapshot", None).await;
    let leader = status["leader"].as_u64().expect("a leader");
    let to = leader % 3 + 1;
    assert_eq!(admin.post("/cluster/leader", json!({ "to": to })).await["leader"], to);
    admin.refused(NOT_FOUND, Method::POST, "/cluster/members/77/promote", None).await;
    admin.refused(NOT_FOUND, Method::POST, "/cluster/members/77/rebuild", Some(json!({}))).await;
    let token = admin.make("/cluster/join-tokens", json!({})).await;
    has(&token, &[("token", Form::Text), ("expiresAt", Form::Moment)]);
    // Registration: by invitation, an admin registers engineers; when it is closed, nobody does.
    let eve = Some(json!({ "name": "Eve", "email": "eve@example.com" }));
    admin.patch("/cluster/settings", json!({ "registration": "invite" })).await;
    for who in [&nobody, ana] {
        who.refused((403, "FORBIDDEN"), Method::POST, "/auth/register", eve.clone()).await;
    }
    let made = admin.ok(201, Method::POST, "/auth/register", eve).await;
    let eve = nobody.with(|client| client.with_key(text(&made["apiKey"])));
    assert_eq!(eve.get("/auth/me").await["role"], "engineer");
    admin.patch("/cluster/settings", json!({ "registration": "closed" })).await;
    let fay = Some(json!({ "name": "Fay", "email": "fay@example.com" }));
    for who in [&nobody, admin] {
        who.refused((403, "FORBIDDEN"), Method::POST, "/auth/register", fay.clone()).await;
    }
}
