//! Sockets of the event feed: authentication, limits, messages, and the reasons to close one.

use nexus_tests::{Client, Cluster, Refused, Socket, Team, contract::is_sound, eventually};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_socket_is_opened_at_both_addresses_by_key_or_ticket_and_refused_before_the_upgrade() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let urls = cluster.urls();
    for path in ["/ws", "/api/ws"] {
        let mut socket = Socket::try_open(&team.admin.via(&urls[1]), path).await.expect("it is opened");
        assert_eq!(socket.receive().await["type"], "connected");
    }
    let refused = |client: Client, path: String| async move {
        match Socket::try_open(&client, &path).await {
            Err(Refused::Answer(status, body)) => (status.as_u16(), body["error"]["code"].clone()),
            other => panic!("{:?}", other.err()),
        }
    };
    let nobody = cluster.client();
    assert_eq!(refused(nobody.clone(), "/ws".to_owned()).await, (401, json!("UNAUTHORIZED")));
    let wrong = nobody.with_key(format!("nexus_eng_{}", "0".repeat(64)));
    assert_eq!(refused(wrong, "/api/ws".to_owned()).await, (401, json!("INVALID_API_KEY")));

    // A ticket from one node opens one socket through another one, and no second through a third.
    let issued = team.admin.post("/auth/ws-ticket", json!({})).await;
    assert!(issued.data()["expiresAt"].is_string(), "{}", issued.body);
    let ticket = issued.data()["ticket"].as_str().expect("a ticket").to_owned();
    let path = format!("/ws?ticket={ticket}");
    let mut socket = Socket::try_open(&nobody.via(&urls[2]), &path).await.expect("it is opened");
    assert_eq!(socket.receive().await["type"], "connected");
    assert_eq!(socket.join(&team.project, None).await["type"], "joined");
    for url in &urls {
        assert_eq!(refused(nobody.via(url), path.clone()).await, (401, json!("UNAUTHORIZED")));
    }
    let guessed = "/api/ws?ticket=nexus_ticket_0".to_owned();
    assert_eq!(refused(nobody.clone(), guessed).await, (401, json!("UNAUTHORIZED")));

    // Without the handshake, it is a normal request, and the error names the missing header.
    let plain = team.admin.get("/ws").await;
    assert_eq!((plain.status.as_u16(), plain.code()), (400, "VALIDATION_ERROR"));
}

#[tokio::test]
async fn a_node_has_a_limit_of_sockets_and_a_refused_client_loses_nothing() {
    let mut cluster = Cluster::prepare(1, &["--max-sockets", "2"]);
    cluster.node(1).start();
    cluster.all_ready().await;
    let team = Team::of(&cluster).await;
    let first = Socket::open(&team.admin).await;
    let mut second = Socket::joined(&team.admin, &team.project, None).await;

    // By key.
    let shaking = team.admin.with_header("Connection", "Upgrade").with_header("Upgrade", "websocket");
    let shaking = shaking.with_header("Sec-WebSocket-Version", "13");
    let shaking = shaking.with_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let refused = shaking.get("/ws").await;
    is_sound(&refused);
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "SERVICE_UNAVAILABLE"));
    assert_eq!(refused.body["error"]["details"]["outcome"], "not_applied");
    assert!(refused.headers.contains_key("retry-after"));
    assert!(refused.message().contains("another one"), "{}", refused.message());
    // A stranger gets the error for its key, and not the limit of sockets.
    let stranger = shaking.with_key(format!("nexus_eng_{}", "0".repeat(64))).get("/ws").await;
    assert_eq!((stranger.status.as_u16(), stranger.code()), (401, "INVALID_API_KEY"));
    // By ticket: a refused attempt does not use it up.
    let issued = team.admin.post("/auth/ws-ticket", json!({})).await;
    let path = format!("/ws?ticket={}", issued.data()["ticket"].as_str().expect("a ticket"));
    for _ in 0..2 {
        let refused = Socket::try_open(&cluster.client(), &path).await;
        assert!(matches!(refused, Err(Refused::Answer(status, _)) if status == 503));
    }
    // Open sockets are not affected, and all other requests are answered.
    team.ready_feature("one", &["src/a.rs"]).await;
    second.receive_until("feature_updated").await;

    drop(first);
    let mut third = eventually("the place is free again", || async {
        Socket::try_open(&cluster.client(), &path).await.ok()
    })
    .await;
    assert_eq!(third.receive().await["type"], "connected");
    let refused = Socket::try_open(&team.admin, "/ws").await;
    assert!(matches!(refused, Err(Refused::Answer(status, _)) if status == 503));
}

#[tokio::test]
async fn an_invalid_message_gets_an_error_and_another_protocol_is_closed() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let stranger = team.stranger("eve").await;
    let mut socket = Socket::open(&team.admin).await;
    let unknown = "00000000-0000-7000-8000-000000000000";
    let cases = [
        (json!({ "type": "dance" }), "INVALID_MESSAGE"),
        (json!([]), "INVALID_MESSAGE"),
        (json!({ "type": "join" }), "INVALID_MESSAGE"),
        (json!({ "type": "join", "projectId": "no-such-project" }), "INVALID_MESSAGE"),
        (json!({ "type": "join", "projectId": team.project, "since": -1 }), "INVALID_MESSAGE"),
        (json!({ "type": "join", "projectId": team.project, "since": 1_000_000 }), "INVALID_MESSAGE"),
        (json!({ "type": "join", "projectId": unknown }), "FORBIDDEN"),
        (json!({ "type": "heartbeat" }), "NOT_IN_PROJECT"),
        (json!({ "type": "leave" }), "NOT_IN_PROJECT"),
    ];
    for (message, code) in cases {
        let answer = socket.ask(message.clone()).await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{message}");
        assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()));
    }
    socket.send(Message::Text("{ not JSON".into())).await;
    assert_eq!(socket.receive().await["code"], "INVALID_MESSAGE");
    assert_eq!(
        socket.join(&team.project, None).await["type"],
        "joined",
        "the socket goes on after all of them"
    );

    let mut foreign = Socket::open(&stranger.client).await;
    assert_eq!(foreign.join(&team.project, None).await["code"], "FORBIDDEN");
    let session = team.agent(&team.admin, "build").await.session().expect("a session").to_owned();
    team.admin.post(&team.path("/members"), json!({ "engineerId": stranger.id })).await.data();
    let mut thief = Socket::open(&stranger.client.acting_as(session)).await;
    assert_eq!(thief.join(&team.project, None).await["code"], "FORBIDDEN");

    for wrong in [
        vec![Message::Binary(vec![1, 2, 3].into())],
        vec![Message::Text("x".repeat(5_000).into())],
        vec![Message::Text("x".repeat(200_000).into())],
        vec![Message::Text("?".into()); 30],
    ] {
        let mut socket = Socket::open(&team.admin).await;
        for message in wrong {
            socket.send(message).await;
        }
        assert_eq!(socket.close_code().await, Some(4400));
    }
}

#[tokio::test]
async fn a_joined_session_lives_as_long_as_its_socket_sends_heartbeats() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.settings(json!({ "session.timeout": 2, "session.grace": 0.5 })).await;
    let ana = team.engineer("ana").await;
    let mut watcher = Socket::joined(&team.admin, &team.project, None).await;

    // A client without a session gets its engineer's default session.
    let mut socket = Socket::open(&ana.client).await;
    let joined = socket.join(&team.project, None).await;
    let started = watcher.receive_until("session_started").await.pop().expect("it was received");
    assert_eq!((&joined["sessionId"], &joined["projectId"]), (&started["sessionId"], &started["projectId"]));
    assert_eq!(started["engineerName"], "ana");
    let beaten = tokio::time::Instant::now();
    while beaten.elapsed() < Duration::from_secs(5) {
        socket.send_json(json!({ "type": "heartbeat" })).await;
        let active = team.admin.get(&team.path("/sessions/active")).await;
        let ids: Vec<&Value> =
            active.data().as_array().expect("a list").iter().map(|found| &found["session"]["id"]).collect();
        assert!(ids.contains(&&joined["sessionId"]), "its heartbeats keep it alive");
        // Without a pause, it would exceed the rate limit of its key.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A named session acts itself.
    let build = team.agent(&ana.client, "build").await;
    let mut named = Socket::open(&build).await;
    assert_eq!(named.join(&team.project, None).await["sessionId"], build.session().expect("a session"));

    // The socket ends; the session times out like any silent one.
    socket.leave().await;
    let mut ended = watcher.receive_until("session_ended").await.pop().expect("it was received");
    while ended["sessionId"] != joined["sessionId"] {
        ended = watcher.receive_until("session_ended").await.pop().expect("it was received");
    }
    assert_eq!(ended["engineerId"], ana.id.as_str());
    let closed = watcher.receive_until("session_closed").await.pop().expect("it was received");
    assert_eq!(closed["sessionId"], joined["sessionId"]);
}

#[tokio::test]
async fn a_removed_member_receives_no_further_events() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await;
    let mut socket = Socket::joined(&ana.client.via(&cluster.urls()[1]), &team.project, None).await;
    team.ready_feature("before", &[]).await;
    socket.receive_until("feature_updated").await;
    let removed = team.admin.delete(&team.path(&format!("/members/{}", ana.id))).await;
    removed.data();
    team.ready_feature("secret", &[]).await;
    loop {
        match tokio::time::timeout(Duration::from_secs(60), socket.next_frame()).await {
            Ok(Some(Message::Close(Some(frame)))) => break assert_eq!(u16::from(frame.code), 4003),
            Ok(Some(frame)) => assert!(!frame.to_string().contains("secret"), "{frame}"),
            other => panic!("no close: {other:?}"),
        }
    }
    let mut again = Socket::open(&ana.client).await;
    assert_eq!(again.join(&team.project, None).await["code"], "FORBIDDEN");
}

#[tokio::test]
async fn subscribers_of_a_deleted_project_are_closed() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let ana = team.engineer("ana").await;
    let mut socket = Socket::joined(&ana.client.via(&cluster.urls()[1]), &team.project, None).await;
    team.admin.delete(&team.path("")).await.data();
    assert_eq!(socket.close_code().await, Some(4003));
}

#[tokio::test]
async fn a_revoked_key_ends_its_socket_and_a_read_only_key_follows_without_a_session() {
    let cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    let minted = team.admin.post("/auth/keys", json!({ "readonly": true })).await;
    let text = |name: &str| minted.data()[name].as_str().expect("a text").to_owned();
    let reader = team.admin.with_key(text("apiKey")).via(&cluster.urls()[1]);
    let mut socket = Socket::open(&reader).await;
    let joined = socket.join(&team.project, None).await;
    assert_eq!((&joined["type"], &joined["sessionId"]), (&json!("joined"), &Value::Null));
    team.ready_feature("one", &[]).await;
    socket.receive_until("feature_updated").await;
    // Without any event in the project, the socket is closed nevertheless.
    team.admin.delete(&format!("/auth/keys/{}", text("id"))).await.data();
    assert_eq!(socket.close_code().await, Some(4001));
    assert!(
        matches!(Socket::try_open(&reader, "/ws").await, Err(Refused::Answer(status, _)) if status == 401)
    );
}

#[tokio::test]
async fn a_page_of_a_person_leaves_them_their_long_lease() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a.rs"]).await;
    team.admin.post(&team.path("/features/one/pick"), json!({})).await.data();
    let leases = || async {
        let sessions = team.admin.get(&team.path("/sessions/active")).await;
        let claims = team.admin.get(&team.path("/claims")).await;
        [sessions.data()[0]["session"]["lease"].clone(), claims.data()[0]["lease"].clone()]
    };
    assert_eq!(leases().await, ["unattended", "unattended"]);
    let issued = team.admin.post("/auth/ws-ticket", json!({})).await;
    let path = format!("/ws?ticket={}", issued.data()["ticket"].as_str().expect("a ticket"));
    let project = team.project.as_str();
    let beats = |mut socket: Socket| async move {
        socket.join(project, None).await;
        socket.send_json(json!({ "type": "heartbeat" })).await;
        // Messages are carried out in order.
        assert_eq!(socket.ask(json!({ "type": "leave" })).await["type"], "left");
    };
    let mut page = Socket::try_open(&cluster.client(), &path).await.expect("it is opened");
    page.receive().await;
    beats(page).await;
    assert_eq!(leases().await, ["unattended", "unattended"], "a person also works elsewhere");
    // A program shows its key, and sends heartbeats for as long as it runs.
    let mut program = Socket::try_open(&team.admin, "/ws").await.expect("it is opened");
    program.receive().await;
    beats(program).await;
    assert_eq!(leases().await, ["attended", "attended"]);
}
