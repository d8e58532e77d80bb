//! Knowledge beside the code: learnings, decisions, checkpoints, and the order of the roadmap.

use futures::future::join_all;
use nexus_tests::{Answer, Client, Cluster, Team, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn said(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.code())
}

async fn draft(team: &Team, slug: &str) -> Value {
    let body = json!({ "slug": slug, "title": slug, "spec": "do it" });
    team.admin.post(&team.path("/features"), body).await.data().clone()
}

fn texts<'a>(items: &'a Value, field: &str) -> Vec<&'a str> {
    items.as_array().expect("a list").iter().map(|item| item[field].as_str().expect("a text")).collect()
}

/// A page of a list, and the cursor of the next one.
async fn page(client: &Client, path: &str, limit: usize, cursor: Option<&str>) -> (Value, Option<String>) {
    let join = if path.contains('?') { '&' } else { '?' };
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let answer = client.get(&format!("{path}{join}limit={limit}{cursor}")).await;
    let data = answer.data();
    let next = data["nextCursor"].as_str().map(str::to_owned);
    assert_eq!(data["hasMore"], json!(next.is_some()));
    (data["items"].clone(), next)
}

#[tokio::test]
async fn learnings_page_newest_first_without_gap_or_repeat_while_new_ones_are_written() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let feature = draft(&team, "one").await;
    let nodes: Vec<Client> = cluster.urls().iter().map(|url| team.admin.via(url)).collect();
    let path = team.path("/features/one/learnings");
    for number in 0..25 {
        let answer = nodes[number % 3].post(&path, json!({ "content": format!("lesson {number}") })).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let learning = answer.data();
        assert_eq!(learning["featureId"], feature["id"]);
        assert_eq!(learning["engineerId"], feature["createdBy"]);
        assert_eq!(learning["engineerName"], "Root");
        assert!(learning["id"].is_string() && learning["createdAt"].is_string());
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    for number in 0.. {
        let (items, next) = page(&nodes[number % 3], &path, 4, cursor.as_deref()).await;
        seen.extend(texts(&items, "content").into_iter().map(str::to_owned));
        nodes[(number + 1) % 3].post(&path, json!({ "content": "meanwhile" })).await.data();
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..25).rev().map(|number| format!("lesson {number}")).collect();
    assert_eq!(seen, expected);
    let (all, _) = page(&nodes[1], &path, 100, None).await;
    assert_eq!(texts(&all, "content").len(), 32, "25, and one with each of 7 pages");

    // Sent again through another node, it is written once.
    let body = json!({ "content": "once" });
    let first = nodes[0].under_key("learn-1").post(&path, body.clone()).await;
    let again = nodes[2].under_key("learn-1").post(&path, body).await;
    assert_eq!((again.status.as_u16(), again.data()), (201, first.data()));
    let (newest, _) = page(&nodes[1], &path, 2, None).await;
    assert_eq!(texts(&newest, "content"), ["once", "meanwhile"]);

    // A deleted draft loses its learnings.
    team.admin.delete(&team.path("/features/one")).await.data();
    assert_eq!(said(&team.admin.get(&path).await), (404, "NOT_FOUND"));
    draft(&team, "one").await;
    assert_eq!(team.admin.get(&path).await.data()["items"], json!([]));
}

#[tokio::test]
async fn decisions_name_their_feature_and_the_superseded_decision() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let feature = draft(&team, "one").await;
    let other = team.admin.via(&cluster.urls()[1]);
    let path = team.path("/decisions");
    let body = json!({ "title": "Storage", "decision": "RocksDB", "rationale": "it is there",
        "alternatives": "a file", "featureSlug": "one" });
    let answer = team.admin.post(&path, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let first = answer.data().clone();
    assert_eq!(first["projectId"], team.project.as_str());
    assert_eq!((&first["featureId"], &first["featureSlug"]), (&feature["id"], &json!("one")));
    assert_eq!((&first["title"], &first["decision"]), (&json!("Storage"), &json!("RocksDB")));
    assert_eq!((&first["rationale"], &first["alternatives"]), (&json!("it is there"), &json!("a file")));
    assert_eq!((&first["supersedes"], &first["engineerId"]), (&Value::Null, &feature["createdBy"]));

    // Through another node at once: it has the first decision.
    let body = json!({ "title": "Storage", "decision": "A file", "supersedes": first["id"] });
    let second = other.post(&path, body).await.data().clone();
    assert_eq!(second["supersedes"], first["id"]);
    for field in ["featureId", "featureSlug", "rationale", "alternatives"] {
        assert_eq!(second[field], Value::Null, "{field}");
    }
    for number in 0..7 {
        let about = if number % 2 == 0 { json!("one") } else { Value::Null };
        let body = json!({ "title": format!("t{number}"), "decision": "d", "featureSlug": about });
        team.admin.post(&path, body).await.data();
    }
    let (all, _) = page(&other, &path, 100, None).await;
    let expected = ["t6", "t5", "t4", "t3", "t2", "t1", "t0", "Storage", "Storage"];
    assert_eq!(texts(&all, "title"), expected);
    assert_eq!(all[8], first);
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let (items, next) = page(&other, &format!("{path}?feature=one"), 2, cursor.as_deref()).await;
        seen.extend(texts(&items, "title").into_iter().map(str::to_owned));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["t6", "t4", "t2", "t0", "Storage"]);

    let unknown = json!({ "title": "t", "decision": "d", "supersedes": feature["id"] });
    assert_eq!(said(&team.admin.post(&path, unknown).await), (404, "NOT_FOUND"));
    let nowhere = json!({ "title": "t", "decision": "d", "featureSlug": "nothing" });
    assert_eq!(said(&team.admin.post(&path, nowhere).await), (404, "NOT_FOUND"));
    assert_eq!(said(&team.admin.get(&format!("{path}?feature=nothing")).await), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn a_repeated_checkpoint_is_skipped_on_any_node_and_after_a_change_of_leader() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["src/b.rs", "src/a.rs"]).await;
    let agent = team.agent(&team.admin, "build").await;
    let feature = agent.post(&team.path("/features/one/pick"), json!({})).await.data()["id"].clone();
    let urls = cluster.urls();
    let path = team.path("/sessions/checkpoints");
    let latest = format!("{path}/latest?featureId={}", feature.as_str().expect("an id"));
    assert_eq!(agent.get(&latest).await.body, json!({ "data": null }));

    let body =
        |context: Value| json!({ "sessionId": agent.session(), "featureId": feature, "context": context });
    let answer = agent.post(&path, body(json!({ "step": 1, "files": { "b": [1, 2], "a": null } }))).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let first = answer.data().clone();
    assert_eq!((&first["type"], &first["isLatest"]), (&json!("auto_periodic"), &json!(true)));
    assert_eq!(first["activeClaims"], json!(["src/a.rs", "src/b.rs"]));
    assert_eq!(first["context"], json!({ "step": 1, "files": { "a": null, "b": [1, 2] } }));
    assert_eq!((&first["featureId"], &first["notes"]), (&feature, &Value::Null));
    assert_eq!(first["sessionId"].as_str(), agent.session());
    assert_eq!(first["stateHash"].as_str().map(str::len), Some(64));

    // The same with its fields in another order, from a client without the header, and through
    // each other node.
    let raw = format!(
        r#"{{"context":{{"files":{{"b":[1,2],"a":null}},"step":1}},"featureId":{feature},"sessionId":"{}"}}"#,
        agent.session().expect("a session")
    );
    let skipped = json!({ "data": null, "message": "Duplicate checkpoint skipped" });
    for url in &urls {
        let answer = team.admin.via(url).send_raw(Method::POST, &path, raw.clone().into_bytes()).await;
        let answer = answer.expect("the node answers");
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &skipped));
        assert_eq!(agent.via(url).get(&latest).await.data(), &first);
    }
    let leader = cluster.leader().await;
    cluster.node(leader).kill();
    let left: Vec<String> = urls
        .iter()
        .enumerate()
        .filter(|(at, _)| *at as u64 + 1 != leader)
        .map(|(_, url)| url.clone())
        .collect();
    for url in &left {
        let client = agent.via(url);
        let again = body(json!({ "step": 1, "files": { "b": [1, 2], "a": null } }));
        let answer = eventually("the checkpoint is answered", || async {
            let answer = client.send(Method::POST, &path, Some(&again)).await.ok()?;
            (answer.status != 503).then_some(answer)
        })
        .await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &skipped));
    }

    // A manual checkpoint is kept; other claims and another context are other states of work.
    let through = agent.via(&left[0]);
    let mut manual = body(json!({ "step": 1, "files": { "b": [1, 2], "a": null } }));
    (manual["type"], manual["notes"]) = (json!("manual"), json!("before lunch"));
    let second = through.post(&path, manual).await.data().clone();
    assert_eq!((&second["type"], &second["notes"]), (&json!("manual"), &json!("before lunch")));
    assert_eq!(second["stateHash"], first["stateHash"]);
    let third = through.post(&path, body(json!({ "step": 2 }))).await.data().clone();
    assert_ne!(third["stateHash"], first["stateHash"]);
    let reader = agent.via(&left[1]);
    let history = format!("{path}?featureId={}", feature.as_str().expect("an id"));
    let (newest, cursor) = page(&reader, &history, 2, None).await;
    assert_eq!(newest[0], third);
    assert_eq!((&newest[1]["id"], &newest[1]["isLatest"]), (&second["id"], &json!(false)));
    let (oldest, end) = page(&reader, &history, 2, cursor.as_deref()).await;
    assert_eq!((texts(&oldest, "id"), end), (vec![first["id"].as_str().expect("an id")], None));
}

#[tokio::test]
async fn a_lost_session_leaves_the_newest_checkpoint_of_its_feature() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 0.3, "session.grace": 0.1 })).await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let agent = team.agent(&team.admin, "build").await;
    let feature = agent.post(&team.path("/features/one/pick"), json!({})).await.data()["id"].clone();
    let path = team.path("/sessions/checkpoints");
    let body = json!({ "sessionId": agent.session(), "featureId": feature });
    agent.post(&path, body.clone()).await.data();
    let id = agent.session().expect("a session").to_owned();
    agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
    let latest = format!("{path}/latest?featureId={}", feature.as_str().expect("an id"));
    let found = eventually("the session is lost", || async {
        let found = team.admin.get(&latest).await.data().clone();
        (found["type"] == "crash_recovery").then_some(found)
    })
    .await;
    assert_eq!((&found["activeClaims"], &found["context"]), (&json!(["src/a.rs"]), &json!({})));
    assert_eq!((&found["sessionId"], &found["isLatest"]), (&json!(id), &json!(true)));
    assert!(found["notes"].is_string());
    assert_eq!(said(&agent.post(&path, body).await), (404, "NOT_FOUND"), "its session is over");
}

/// The slugs on the roadmap, by lane.
fn order(roadmap: &Value) -> Vec<(String, Vec<(String, u64)>)> {
    let place = |feature: &Value| {
        (
            feature["slug"].as_str().expect("a slug").to_owned(),
            feature["priority"].as_u64().expect("a number"),
        )
    };
    let lanes = roadmap["lanes"].as_array().expect("lanes").iter();
    lanes
        .map(|lane| {
            let features = lane["features"].as_array().expect("features").iter().map(place).collect();
            (lane["lane"].as_str().expect("a name").to_owned(), features)
        })
        .collect()
}

fn lanes(lanes: [&[(&str, u64)]; 4]) -> Vec<(String, Vec<(String, u64)>)> {
    let names = ["now", "next", "later", "icebox"];
    let places = lanes.map(|lane| lane.iter().map(|(slug, at)| ((*slug).to_owned(), *at)).collect());
    names.map(str::to_owned).into_iter().zip(places).collect()
}

#[tokio::test]
async fn all_or_nothing_of_the_roadmap_is_reordered() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let other = team.admin.via(&cluster.urls()[2]);
    let roadmap = team.path("/roadmap");
    let empty = team.admin.get(&roadmap).await;
    assert_eq!(empty.data()["projectId"], team.project.as_str());
    assert_eq!(order(empty.data()), lanes([&[], &[], &[], &[]]));
    for slug in ["a", "b", "c", "d"] {
        draft(&team, slug).await;
    }
    let reorder = team.path("/roadmap/reorder");
    let moved = team.admin.patch(&reorder, json!({ "now": ["d", "b"], "icebox": ["a"] })).await;
    let expected = lanes([&[("d", 1), ("b", 2)], &[("c", 3)], &[], &[("a", 1)]]);
    assert_eq!(order(moved.data()), expected);
    let seen = other.get(&roadmap).await;
    assert_eq!(seen.data(), moved.data());
    let feature = &seen.data()["lanes"][0]["features"][0];
    assert_eq!((&feature["spec"], &feature["lane"]), (&json!("do it"), &json!("now")));

    for (body, expected) in [
        (json!({ "now": ["c", "nothing"] }), (404, "NOT_FOUND")),
        (json!({ "now": ["c", "No Slug!"] }), (404, "NOT_FOUND")),
        (json!({ "now": ["c", "c"] }), (400, "VALIDATION_ERROR")),
        (json!({ "now": ["c"], "later": ["c"] }), (400, "VALIDATION_ERROR")),
        (json!({ "now": ["c"], "soon": ["a"] }), (400, "VALIDATION_ERROR")),
        (json!({ "now": "c" }), (400, "VALIDATION_ERROR")),
        (json!({}), (400, "VALIDATION_ERROR")),
    ] {
        assert_eq!(said(&team.admin.patch(&reorder, body.clone()).await), expected, "{body}");
    }
    assert_eq!(order(other.get(&roadmap).await.data()), expected, "nothing moved");

    let to = |slug: &str| team.path(&format!("/roadmap/{slug}/lane"));
    let last = other.patch(&to("c"), json!({ "lane": "now" })).await;
    assert_eq!((&last.data()["lane"], &last.data()["priority"]), (&json!("now"), &json!(3)));
    let again = other.patch(&to("d"), json!({ "lane": "now" })).await;
    assert_eq!(again.data()["priority"], 4, "a move to the own lane goes to its end");
    let first = other.patch(&to("d"), json!({ "lane": "later", "priority": 7 })).await;
    assert_eq!((&first.data()["lane"], &first.data()["priority"]), (&json!("later"), &json!(7)));
    let expected = lanes([&[("b", 2), ("c", 3)], &[], &[("d", 7)], &[("a", 1)]]);
    assert_eq!(order(team.admin.get(&roadmap).await.data()), expected);
    assert_eq!(said(&other.patch(&to("nothing"), json!({ "lane": "now" })).await), (404, "NOT_FOUND"));
    for body in [json!({}), json!({ "lane": "soon" }), json!({ "lane": "now", "priority": 0 })] {
        let answer = other.patch(&to("a"), body.clone()).await;
        assert_eq!(said(&answer), (400, "VALIDATION_ERROR"), "{body}");
    }
}

#[tokio::test]
async fn invalid_requests_are_refused_with_their_fields() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let feature = draft(&team, "one").await["id"].clone();
    let agent = team.agent(&team.admin, "build").await;
    let (session, gone) = (json!(agent.session()), json!(team.project));
    let long = "x".repeat(300 * 1024);
    let learnings = team.path("/features/one/learnings");
    let decisions = team.path("/decisions");
    let checkpoints = team.path("/sessions/checkpoints");
    for (path, body, field) in [
        (&learnings, json!({}), "content"),
        (&learnings, json!({ "content": "" }), "content"),
        (&learnings, json!({ "content": 7 }), "content"),
        (&learnings, json!({ "content": long }), "content"),
        (&decisions, json!({ "decision": "d" }), "title"),
        (&decisions, json!({ "title": "", "decision": "d" }), "title"),
        (&decisions, json!({ "title": "t".repeat(201), "decision": "d" }), "title"),
        (&decisions, json!({ "title": "t" }), "decision"),
        (&decisions, json!({ "title": "t", "decision": "" }), "decision"),
        (&decisions, json!({ "title": "t", "decision": "d", "rationale": 1 }), "rationale"),
        (&decisions, json!({ "title": "t", "decision": "d", "supersedes": "x" }), "supersedes"),
        (&checkpoints, json!({ "featureId": feature }), "sessionId"),
        (&checkpoints, json!({ "sessionId": session }), "featureId"),
        (&checkpoints, json!({ "sessionId": session, "featureId": "x" }), "featureId"),
        (&checkpoints, json!({ "sessionId": session, "featureId": feature, "context": [] }), "context"),
        (&checkpoints, json!({ "sessionId": session, "featureId": feature, "type": "x" }), "type"),
    ] {
        let answer = team.admin.post(path, body).await;
        assert_eq!(said(&answer), (400, "VALIDATION_ERROR"), "{path} {field}");
        assert!(answer.body["error"]["details"][field].is_array(), "{}", answer.body);
    }
    for (query, field) in [("/latest", "featureId"), ("/latest?featureId=x", "featureId"), ("", "featureId")]
    {
        let answer = team.admin.get(&format!("{checkpoints}{query}")).await;
        assert_eq!(said(&answer), (400, "VALIDATION_ERROR"), "{query}");
        assert!(answer.body["error"]["details"][field].is_array(), "{}", answer.body);
    }
    for list in
        [&learnings, &decisions, &format!("{checkpoints}?featureId={}", feature.as_str().expect("an id"))]
    {
        let join = if list.contains('?') { '&' } else { '?' };
        for query in ["limit=0", "limit=101", "limit=x", "cursor=x"] {
            let answer = team.admin.get(&format!("{list}{join}{query}")).await;
            assert_eq!(said(&answer), (400, "VALIDATION_ERROR"), "{list} {query}");
        }
        assert_eq!(
            team.admin.get(list).await.data(),
            &json!({ "items": [], "nextCursor": null, "hasMore": false })
        );
    }
    let nothing = team.path("/features/nothing/learnings");
    assert_eq!(said(&team.admin.get(&nothing).await), (404, "NOT_FOUND"));
    assert_eq!(said(&team.admin.post(&nothing, json!({ "content": "c" })).await), (404, "NOT_FOUND"));
    for body in [
        json!({ "sessionId": session, "featureId": gone }),
        json!({ "sessionId": gone, "featureId": feature }),
    ] {
        assert_eq!(said(&agent.post(&checkpoints, body).await), (404, "NOT_FOUND"));
    }
}

#[tokio::test]
async fn strangers_read_and_write_nothing_and_nobody_acts_as_a_foreign_session() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let feature = draft(&team, "one").await["id"].clone();
    let agent = team.agent(&team.admin, "build").await;
    let (eve, ben) = (team.stranger("eve").await.client, team.engineer("ben").await.client);
    let checkpoint = json!({ "sessionId": agent.session(), "featureId": feature });
    let decision = json!({ "title": "t", "decision": "d" });
    let latest = format!("/sessions/checkpoints/latest?featureId={}", feature.as_str().expect("an id"));
    let history = format!("/sessions/checkpoints?featureId={}", feature.as_str().expect("an id"));
    let asked = [
        (Method::GET, "/features/one/learnings", Value::Null),
        (Method::POST, "/features/one/learnings", json!({ "content": "c" })),
        (Method::GET, "/decisions", Value::Null),
        (Method::POST, "/decisions", decision),
        (Method::GET, &latest, Value::Null),
        (Method::GET, &history, Value::Null),
        (Method::POST, "/sessions/checkpoints", checkpoint.clone()),
        (Method::GET, "/roadmap", Value::Null),
        (Method::PATCH, "/roadmap/reorder", json!({ "now": ["one"] })),
        (Method::PATCH, "/roadmap/one/lane", json!({ "lane": "now" })),
    ];
    for (method, path, body) in &asked {
        let body = (!body.is_null()).then_some(body);
        let answer = eve.send(method.clone(), &team.path(path), body).await.expect("the node answers");
        assert_eq!(said(&answer), (403, "NOT_PROJECT_MEMBER"), "{method} {path}");
        let nobody = cluster.client().send(method.clone(), &team.path(path), body).await;
        assert_eq!(said(&nobody.expect("the node answers")), (401, "UNAUTHORIZED"), "{method} {path}");
    }
    let foreign = ben.post(&team.path("/sessions/checkpoints"), checkpoint).await;
    assert_eq!(said(&foreign), (403, "FORBIDDEN"));
    for (method, path, body) in asked.iter().filter(|(_, path, _)| *path != "/sessions/checkpoints") {
        let body = (!body.is_null()).then_some(body);
        let answer = ben.send(method.clone(), &team.path(path), body).await.expect("the node answers");
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.body);
    }
}

/// The number of features in the long list.
const FEATURES: usize = 2_000;
/// One feature in this many moves while the list is paged through.
const ONE_IN: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_changing_list_skip_and_repeat_no_unchanged_feature() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let nodes: Vec<Client> = cluster.urls().iter().map(|url| team.admin.via(url)).collect();
    let slugs: Vec<String> = (0..FEATURES).map(|number| format!("f-{number}")).collect();
    for part in slugs.chunks(100) {
        let writes = part.iter().enumerate().map(|(at, slug)| {
            let lane = ["now", "next", "later"][at % 3];
            let body = json!({ "slug": slug, "title": slug, "spec": "s", "lane": lane });
            let (client, path) = (&nodes[at % 3], team.path("/features"));
            async move { client.post(&path, body).await.data()["slug"].clone() }
        });
        join_all(writes).await;
    }
    let (mut seen, mut cursor, mut pages) = (BTreeMap::<String, usize>::new(), None, 0);
    for number in 0.. {
        // Some move behind the cursor, some before it.
        let lane = if number % 2 == 0 { "icebox" } else { "now" };
        let moving = slugs.iter().step_by(ONE_IN).cycle().skip(number * 3).take(3).map(|slug| {
            let path = team.path(&format!("/roadmap/{slug}/lane"));
            let client = &nodes[number % 3];
            async move { client.patch(&path, json!({ "lane": lane })).await.data()["slug"].clone() }
        });
        let (reader, path) = (&nodes[(number + 1) % 3], team.path("/features"));
        let ((items, next), _) = futures::join!(page(reader, &path, 10, cursor.as_deref()), join_all(moving));
        for slug in texts(&items, "slug") {
            *seen.entry(slug.to_owned()).or_default() += 1;
        }
        pages += 1;
        // Features that move ahead of the cursor again and again must not keep the paging going for ever.
        assert!(pages <= FEATURES, "the list has an end");
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    for slug in slugs.iter().enumerate().filter(|(at, _)| at % ONE_IN != 0).map(|(_, slug)| slug) {
        assert_eq!(seen.get(slug), Some(&1), "{slug} stayed in its place, and is seen once");
    }
    assert!(pages >= FEATURES / 10 * (ONE_IN - 1) / ONE_IN, "{pages} pages");
}
