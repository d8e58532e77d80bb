//! The event feed: each event once and in order, over any node.

use nexus_tests::{Client, Cluster, Socket, Team, eventually};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// The types of events, in order.
fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

/// The positions of events: revision and index.
fn places(events: &[Value]) -> Vec<(u64, u64)> {
    let number = |value: &Value| value.as_u64().expect("a whole number");
    events.iter().map(|event| (number(&event["revision"]), number(&event["seq"]))).collect()
}

async fn all_events(client: &Client, team: &Team, mut since: u64) -> Vec<Value> {
    let mut found = Vec::new();
    loop {
        let page = client.get(&team.path(&format!("/events?since={since}&limit=1000"))).await;
        let page = page.data();
        found.extend(page["items"].as_array().expect("items").clone());
        since = page["nextSince"].as_u64().expect("a revision");
        if page["hasMore"] == false {
            return found;
        }
    }
}

#[tokio::test]
async fn a_joined_client_receives_each_event_of_its_project_once_and_in_order() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let mut socket = Socket::joined(&team.admin, &team.project, None).await;
    let other = team.admin.post("/projects", json!({ "name": "Other", "slug": "other" })).await;
    let ana = team.engineer("ana").await;
    let build = team.agent(&ana.client, "build").await;
    team.ready_feature("one", &["src/a.rs"]).await;
    let patch = json!({ "title": "Uno", "priority": 7 });
    team.admin.patch(&team.path("/features/one"), patch).await.data();
    build.post(&team.path("/features/one/pick"), json!({})).await.data();
    build.post(&team.path("/features/one/release"), json!({})).await.data();
    build.post(&team.path("/features/one/pick"), json!({})).await.data();
    build.post(&team.path("/features/one/done"), json!({})).await.data();
    build.post(&team.path("/features/one/learnings"), json!({ "content": "It was the cache." })).await.data();
    let decision = json!({ "title": "No cache", "decision": "Off", "featureSlug": "one" });
    build.post(&team.path("/decisions"), decision).await.data();
    let session = build.session().expect("a session").to_owned();
    ana.client.delete(&team.path(&format!("/sessions/{session}"))).await.data();

    let received = socket.receive_until("session_ended").await;
    let expected = [
        "member_added",
        "session_started",
        "feature_created",
        "feature_updated",
        "feature_updated",
        "feature_updated",
        "files_claimed",
        "feature_claimed",
        "files_released",
        "feature_released",
        "files_claimed",
        "feature_claimed",
        "files_released",
        "feature_completed",
        "learning_added",
        "decision_added",
        "session_ended",
    ];
    let mut sorted = (types(&received), expected.to_vec());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    assert_eq!(sorted.0, sorted.1, "{:?}", types(&received));
    let ordered = places(&received);
    assert!(ordered.windows(2).all(|pair| pair[0] < pair[1]), "{ordered:?}");
    for event in &received {
        assert_eq!(event["projectId"], team.project.as_str(), "{event}");
        assert!(event["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{event}");
        assert!(event["feature"].get("spec").is_none(), "{event}");
    }
    let find = |kind: &str| received.iter().find(|event| event["type"] == kind).expect("it was received");
    let started = find("session_started");
    assert_eq!(
        (&started["engineerId"], &started["engineerName"], &started["sessionId"], &started["agent"]),
        (&json!(ana.id), &json!("ana"), &json!(session), &json!("build"))
    );
    let titled = received.iter().find(|event| event["field"] == "title").expect("the title changed");
    assert_eq!((&titled["oldValue"], &titled["newValue"]), (&json!("one"), &json!("Uno")));
    let moved = received.iter().find(|event| event["field"] == "priority").expect("the priority changed");
    assert_eq!(moved["newValue"], 7);
    let claimed = find("feature_claimed");
    assert_eq!(claimed["engineer"], json!({ "id": ana.id, "name": "ana" }));
    assert_eq!(
        (&claimed["feature"]["slug"], &claimed["feature"]["status"]),
        (&json!("one"), &json!("active"))
    );
    let files = find("files_claimed");
    assert_eq!((&files["paths"], &files["featureId"]), (&json!(["src/a.rs"]), &claimed["feature"]["id"]));
    assert_eq!(find("files_released")["reason"], "released");
    let learned = find("learning_added");
    assert_eq!(learned["feature"], json!({ "slug": "one" }));
    assert_eq!(learned["learning"]["content"], "It was the cache.");
    assert_eq!(learned["agent"], "build");
    assert_eq!(find("decision_added")["decision"]["featureSlug"], "one");

    // They contain no event of another project. A client that joins that project receives its events.
    let other = other.data()["id"].as_str().expect("an id").to_owned();
    let mut elsewhere = Socket::joined(&team.admin, &other, Some(0)).await;
    assert_eq!(types(&[elsewhere.receive().await]), ["member_added"]);

    assert_eq!(
        socket.ask(json!({ "type": "leave" })).await,
        json!({ "type": "left", "projectId": team.project })
    );
    team.ready_feature("two", &[]).await;
    let error = socket.ask(json!({ "type": "leave" })).await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("NOT_IN_PROJECT")));
    assert_eq!(
        socket.leave().await,
        None,
        "a close frame without a code is answered with one without a code"
    );
    let metrics = reqwest_text(&team.admin, "/metrics").await;
    for name in
        ["nexus_websocket_connections", "nexus_websocket_events_sent_total", "nexus_long_poll_waiters"]
    {
        assert!(metrics.contains(name), "{name}");
    }
}

async fn reqwest_text(client: &Client, path: &str) -> String {
    let answer = reqwest::get(format!("{}{path}", client.base())).await.expect("the node answers");
    answer.text().await.expect("a text")
}

#[tokio::test]
async fn a_subscriber_resumes_on_another_node_without_gap_or_repeat() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let urls = cluster.urls();
    let mut socket = Socket::joined(&team.admin.via(&urls[0]), &team.project, Some(0)).await;
    team.ready_feature("one", &[]).await;
    let mut received = socket.receive_until("feature_updated").await;
    cluster.node(1).kill();
    let through = team.admin.via(&urls[1]);
    let body = json!({ "slug": "two", "title": "t", "spec": "s" });
    eventually("writes go on", || async {
        let answer = through.send(reqwest::Method::POST, &team.path("/features"), Some(&body)).await.ok()?;
        (answer.status == 201 || answer.status == 409).then_some(())
    })
    .await;
    let since = places(&received).last().expect("events").0;
    let mut socket = Socket::joined(&team.admin.via(&urls[2]), &team.project, Some(since)).await;
    through.post(&team.path("/features/two/ready"), json!({})).await.data();
    received.extend(socket.receive_until("feature_updated").await);
    assert_eq!(received, all_events(&through, &team, 0).await);
}

#[tokio::test]
async fn a_stopping_node_sends_its_subscribers_to_another_one() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let mut socket = Socket::joined(&team.admin.via(&cluster.urls()[1]), &team.project, None).await;
    let waiting = {
        let (client, path) = (team.admin.via(&cluster.urls()[1]), team.path("/events"));
        let since = client.get(&format!("{path}?since=0")).await.data()["nextSince"].clone();
        tokio::spawn(async move { client.get(&format!("{path}?since={since}&waitMs=30000")).await })
    };
    eventually("the poll waits", || async {
        let metrics = reqwest_text(&team.admin.via(&cluster.urls()[1]), "/metrics").await;
        metrics.contains("nexus_long_poll_waiters 1").then_some(())
    })
    .await;
    cluster.node(2).terminate();
    assert_eq!(socket.close_code().await, Some(1001));
    let answer = waiting.await.expect("the poll ends");
    assert_eq!((&answer.data()["items"], &answer.data()["hasMore"]), (&json!([]), &json!(false)));
}

#[tokio::test]
async fn a_poll_pages_through_history_and_waits_for_the_next_events() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await;
    for number in 0..5 {
        team.ready_feature(&format!("f{number}"), &["a"]).await;
        team.admin
            .patch(&team.path(&format!("/features/f{number}")), json!({ "title": "x", "lane": "now" }))
            .await
            .data();
    }
    let whole = all_events(&ana.client, &team, 0).await;
    assert!(whole.len() > 20);
    for limit in [1, 2, 3, 7] {
        let (mut paged, mut since) = (Vec::new(), 0);
        loop {
            let path = team.path(&format!("/events?since={since}&limit={limit}"));
            let page = ana.client.via(&cluster.urls()[limit % 3]).get(&path).await;
            let items = page.data()["items"].as_array().expect("items").clone();
            since = page.data()["nextSince"].as_u64().expect("a revision");
            // A revision is never split: the next page begins with a later one.
            assert!(items.iter().all(|event| event["revision"].as_u64() <= Some(since)));
            assert!(
                paged.last().is_none_or(|last: &Value| items.is_empty()
                    || last["revision"].as_u64() < items[0]["revision"].as_u64())
            );
            paged.extend(items);
            if page.data()["hasMore"] == false {
                break;
            }
        }
        assert_eq!(paged, whole, "pages of {limit}");
    }
    // Without new events, the poll waits for its whole timeout and returns the revision to go on from.
    let since = ana.client.get(&team.path("/events?since=0&limit=1000")).await.data()["nextSince"].clone();
    let empty = ana.client.get(&team.path(&format!("/events?since={since}&waitMs=50"))).await;
    assert_eq!((&empty.data()["items"], &empty.data()["hasMore"]), (&json!([]), &json!(false)));
    assert!(empty.data()["nextSince"].as_u64() >= since.as_u64());
    let waiting = {
        let (client, path) = (ana.client.via(&cluster.urls()[1]), team.path("/events"));
        tokio::spawn(async move { client.get(&format!("{path}?since={since}&waitMs=30000")).await })
    };
    eventually("the poll waits", || async {
        let metrics = reqwest_text(&team.admin.via(&cluster.urls()[1]), "/metrics").await;
        metrics.contains("nexus_long_poll_waiters 1").then_some(())
    })
    .await;
    let body = json!({ "slug": "late", "title": "t", "spec": "s" });
    team.admin.post(&team.path("/features"), body).await.data();
    let answer = waiting.await.expect("the poll is answered");
    assert_eq!(answer.data()["items"][0]["feature"]["slug"], "late", "{}", answer.body);

    let refused = |query: &'static str| {
        let (client, path) = (ana.client.clone(), team.path("/events"));
        async move { client.get(&format!("{path}?{query}")).await }
    };
    for query in ["since=99999999", "since=x", "since=-1", "limit=0", "limit=1001", "waitMs=soon"] {
        let answer = refused(query).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "VALIDATION_ERROR"), "{query}");
    }
    let eve = team.stranger("eve").await;
    let answer = eve.client.get(&team.path("/events")).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (403, "NOT_PROJECT_MEMBER"));
}

#[tokio::test]
async fn a_request_for_deleted_history_gets_the_oldest_revision() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "events.revisions": 1_000 })).await;
    team.ready_feature("one", &[]).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let team = team.clone();
        writers.spawn(async move {
            for number in 0..140 {
                let title = json!({ "title": format!("{writer} {number}") });
                team.admin.patch(&team.path("/features/one"), title).await.data();
            }
        });
    }
    writers.join_all().await;
    let mut socket = Socket::open(&team.admin).await;
    let answer = socket.join(&team.project, Some(5)).await;
    assert_eq!((&answer["type"], &answer["projectId"]), (&json!("compacted"), &json!(team.project)));
    let oldest = answer["oldest"].as_u64().expect("a revision");
    let polled = team.admin.get(&team.path("/events?since=5")).await;
    assert_eq!((polled.status.as_u16(), polled.code()), (400, "VALIDATION_ERROR"));
    assert_eq!(polled.body["error"]["details"]["compacted"]["oldest"], oldest);
    let error = socket.ask(json!({ "type": "heartbeat" })).await;
    assert_eq!(error["code"], "NOT_IN_PROJECT", "no project is followed");

    let kept = all_events(&team.admin, &team, 0).await;
    assert!(kept.len() > 900 && places(&kept)[0].0 >= oldest);
    assert_eq!(socket.join(&team.project, Some(oldest - 1)).await["type"], "joined");
    let mut received = Vec::new();
    while received.len() < kept.len() {
        received.push(socket.receive().await);
    }
    assert_eq!(received, kept);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_closed_and_resumes() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    // Each event has some 200 kB of paths, so that buffers on the way are soon full.
    let touches: Vec<String> = (0..400).map(|number| format!("{number}/{}", "x".repeat(500))).collect();
    let body = json!({ "slug": "big", "title": "t", "spec": "s", "touches": touches });
    let start = team.admin.post(&team.path("/features"), body).await.revision();
    let mut socket = Socket::joined(&team.admin, &team.project, Some(start)).await;
    for number in 0..150 {
        let title = json!({ "title": format!("t{number}") });
        team.admin.patch(&team.path("/features/big"), title).await.data();
    }
    eventually("it is given up", || async {
        let metrics = reqwest_text(&team.admin, "/metrics").await;
        metrics.contains("nexus_websocket_closes_total{code=\"4029\"} 1").then_some(())
    })
    .await;
    let mut received = Vec::new();
    let code = loop {
        match tokio::time::timeout(Duration::from_secs(60), socket.next_frame()).await {
            Ok(Some(Message::Text(text))) => {
                received.push(serde_json::from_str::<Value>(&text).expect("messages are JSON"));
            }
            Ok(Some(Message::Close(frame))) => break frame.map(|frame| u16::from(frame.code)),
            Ok(Some(_)) => {}
            other => panic!("no close: {other:?}"),
        }
    };
    assert_eq!(code, Some(4029));
    let since = places(&received).last().map_or(start, |place| place.0);
    let mut socket = Socket::joined(&team.admin, &team.project, Some(since)).await;
    let whole = all_events(&team.admin, &team, start).await;
    while received.len() < whole.len() {
        received.push(socket.receive().await);
    }
    assert!(received == whole, "{:?} heard, {:?} committed", places(&received), places(&whole));
}
