//! Crowds of connections that are idle or never finish a request: they keep nobody else out, least of all heartbeats,
//! and a node that is full of them stops in order.

use bytes::Bytes;
use nexus_tests::{
    Client, Cluster, Socket, Team, eventually,
    raw::{self, HTTP2, unfinished},
};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::tungstenite::http::Request;

async fn connect(url: &str, first: &[u8]) -> TcpStream {
    raw::connect(url, first).await.expect("it listens")
}

/// Makes thousands of claims with long names, so that each list of them needs much memory.
async fn long_lists(team: &Team) {
    let agent = team.agent(&team.admin, "hoarder").await;
    for part in 0..10 {
        let path = |n: usize| format!("part-{part}/{n}/{}", "x".repeat(900));
        let paths: Vec<String> = (0..1_000).map(path).collect();
        agent.post(&team.path("/claims"), json!({ "paths": paths })).await.data();
    }
}

async fn in_flight(client: &Client) -> usize {
    let text = client.open("/metrics").await.expect("metrics").text().await.expect("text");
    let line = text.lines().find(|line| line.starts_with("nexus_http_requests_in_flight"));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).expect("the requests are counted")
}

#[tokio::test]
async fn idle_connections_are_closed_for_new_ones() {
    let cluster = Cluster::start_with(1, &["--max-connections", "16"]).await;
    let team = Team::of(&cluster).await;
    let agent = team.agent(&team.admin, "build").await;
    let id = agent.session().expect("a session").to_owned();
    let url = team.admin.base().to_owned();
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(connect(&url, HTTP2).await);
        crowd.push(connect(&url, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
        crowd.push(connect(&url, b"").await);
    }
    // Each request has a connection of its own.
    for _ in 0..5 {
        let agent = Client::new(url.clone()).with_key(agent.key().expect("a key")).acting_as(id.clone());
        agent.post(&team.path(&format!("/sessions/{id}/heartbeat")), json!({})).await.data();
        agent.get(&team.path("/status")).await.data();
    }
    drop(crowd);
}

#[tokio::test]
async fn the_websockets_of_one_address_leave_connections_to_other_addresses() {
    const MOST: usize = 16;
    let cluster = Cluster::start_with(1, &["--max-connections", &MOST.to_string()]).await;
    let team = Team::of(&cluster).await;
    let url = team.admin.base().to_owned();
    let mut sockets = Vec::new();
    while let Ok(mut socket) = Socket::try_open(&team.admin, "/ws").await {
        assert_eq!(socket.join(&team.project, None).await["type"], "connected");
        sockets.push(socket);
        assert!(sockets.len() <= MOST - MOST / 4, "one address has more than its share");
    }
    // From another address of this machine.
    let other = TcpSocket::new_v4().expect("a socket");
    other.bind("127.0.0.2:0".parse().expect("an address")).expect("all of 127.0.0.0/8 is this machine");
    let node = raw::addr(&url).parse().expect("an address");
    let mut other = other.connect(node).await.expect("it listens");
    other.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("it is sent");
    let mut head = [0; 12];
    other.read_exact(&mut head).await.expect("it is answered");
    assert_eq!(&head[9..], b"200");
    // Active connections were not closed, and connections that end make room again.
    for socket in &mut sockets {
        assert_eq!(socket.receive().await["type"], "joined");
    }
    drop(sockets);
    eventually("a place is free again", || async { Socket::try_open(&team.admin, "/ws").await.ok() }).await;
}

#[tokio::test]
async fn bodies_that_never_arrive_keep_nobody_out() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let url = team.admin.base().to_owned();
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(connect(&url, &unfinished("/auth/register", None, 1_000)).await);
    }
    // Few of them have a permit, and the others were refused at once.
    let mut answers = futures::future::join_all(crowd.iter_mut().map(|stream| async move {
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.map(|_| String::from_utf8_lossy(&head[9..]).into_owned()).ok()
    }));
    let answers = tokio::select! {
        answers = &mut answers => answers,
        // Meanwhile, everybody else works.
        () = async {
            loop {
                team.admin.get(&team.path("/status")).await.data();
                let slug = format!("f-{}", uuid::Uuid::now_v7());
                team.ready_feature(&slug, &["a"]).await;
                assert!(in_flight(&team.admin).await < 64, "callers without a key have few permits");
            }
        } => unreachable!("the flood goes on for ever"),
    };
    let with = |status: &str| answers.iter().flatten().filter(|found| *found == status).count();
    assert!(with("503") > 200, "{answers:?}");
    assert!(with("400") > 0, "bodies with a permit got a timeout: {answers:?}");
    assert_eq!(with("503") + with("400"), 300, "{answers:?}");
}

#[tokio::test]
async fn the_bodies_of_all_clients_together_are_bounded() {
    const LARGE: usize = 1_000_000;
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let url = team.admin.base().to_owned();
    let key = team.admin.key().expect("a key").to_owned();
    let body = vec![b' '; LARGE - 1_000];
    let asked = (0..100).map(|_| async {
        let mut stream = connect(&url, &unfinished(&team.path("/features"), Some(&key), LARGE)).await;
        // It may be refused before that.
        let _ = stream.write_all(&body).await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.map(|_| String::from_utf8_lossy(&head[9..]).into_owned()).ok()
    });
    let answers = futures::future::join_all(asked).await;
    let with = |status: &str| answers.iter().flatten().filter(|found| *found == status).count();
    assert!(with("503") > 0, "some bodies were refused: {answers:?}");
    assert!(with("400") > 0, "some bodies were read: {answers:?}");
    // Their memory is released.
    let spec = "s".repeat(900_000);
    let large = json!({ "slug": "large", "title": "t", "spec": spec });
    assert_eq!(team.admin.post(&team.path("/features"), large).await.status, 201);
}

#[tokio::test]
async fn unread_answers_leave_memory_and_connections_to_others() {
    const MOST_MEMORY_KIB: u64 = 512 << 10;
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    long_lists(&team).await;
    let other = team.engineer("other").await;
    let key = team.admin.key().expect("a key");
    let mut crowd = Vec::new();
    for number in 0..160 {
        let rest = ["/claims", "/status", "/claims/mine", "/events?since=0&limit=1000"][number % 4];
        let asked = raw::head("GET", &team.path(rest), Some(key), "");
        crowd.push(connect(team.admin.base(), asked.as_bytes()).await);
    }
    // Each gets the answer or an immediate refusal.
    for stream in &crowd {
        stream.readable().await.expect("an answer begins");
    }
    let peak_kib = cluster.nodes[0].peak_kib().expect("it runs");
    assert!(peak_kib < MOST_MEMORY_KIB, "{} MiB", peak_kib >> 10);
    assert_eq!(other.client.get(&team.path("/claims")).await.data().as_array().map(Vec::len), Some(10_000));
    drop(crowd);
    let claims = team.path("/claims");
    eventually("the room is given back", || async {
        (team.admin.get(&claims).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn unread_answers_over_http2_are_bounded() {
    const MOST_MEMORY_KIB: u64 = 512 << 10;
    const STREAMS: usize = 64;
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let url = team.admin.base().to_owned();
    let crowd = (0..200).map(|_| async {
        let stream = TcpStream::connect(raw::addr(&url)).await.expect("it listens");
        // The node has the answers, and may send none of them.
        let handshake = h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream);
        let (requests, connection) = handshake.await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..STREAMS {
            // It may be cut off by now.
            let Ok(mut ready) = requests.clone().ready().await else { break };
            let request = Request::get("http://localhost/openapi.json").body(()).expect("a request");
            let Ok((answer, _)) = ready.send_request(request, true) else { break };
            answers.extend(answer.await);
        }
        answers
    });
    let crowd = futures::future::join_all(crowd).await;
    let answered: usize = crowd.iter().map(Vec::len).sum();
    assert!(answered > 100 * STREAMS, "{answered}");
    let peak_kib = cluster.nodes[0].peak_kib().expect("it runs");
    assert!(peak_kib < MOST_MEMORY_KIB, "{} MiB", peak_kib >> 10);
    assert_eq!(team.admin.get(&team.path("/status")).await.status, 200);
}

#[tokio::test]
async fn long_polls_of_one_engineer_leave_polls_to_others() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let other = team.engineer("other").await;
    let since = team.admin.get(&team.path("/status")).await.revision();
    let poll = |wait_ms: u64| team.path(&format!("/events?since={since}&waitMs={wait_ms}"));
    let asked = raw::head("GET", &poll(30_000), team.admin.key(), "");
    let mut crowd = Vec::new();
    for _ in 0..1_100 {
        crowd.push(connect(team.admin.base(), asked.as_bytes()).await);
    }
    eventually("its places are taken", || async { (in_flight(&team.admin).await > 256).then_some(()) }).await;
    let refused = team.admin.get(&poll(1)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "SERVICE_UNAVAILABLE"));
    assert!(refused.message().contains("long polls of this engineer"), "{}", refused.message());
    assert_eq!(other.client.get(&poll(1)).await.status, 200, "others still wait for events");
}

#[tokio::test]
async fn a_node_full_of_connections_stops_in_order_and_logs_what_it_closed() {
    let mut cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let url = team.admin.base().to_owned();
    let key = team.admin.key().expect("a key").to_owned();
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(connect(&url, HTTP2).await);
        crowd.push(connect(&url, b"").await);
        crowd.push(connect(&url, &unfinished(&team.path("/features"), Some(&key), 1_000)).await);
    }
    eventually("they are in flight", || async { (in_flight(&team.admin).await > 100).then_some(()) }).await;
    let ended = cluster.node(1).terminate().expect("it ran");
    let log = cluster.node(1).log();
    assert!(ended.success(), "{log}");
    assert!(log.contains("cut off") && log.contains("requests="), "{log}");
}

#[tokio::test]
async fn nodes_that_are_stopped_together_all_stop_in_order() {
    let mut cluster = Cluster::start(3).await;
    let team = Team::of(&cluster).await;
    team.ready_feature("one", &["a"]).await;
    for node in &cluster.nodes {
        node.ask_to_stop();
    }
    for number in 1..=3 {
        let ended = cluster.node(number).stopped().expect("it ran");
        assert!(ended.success(), "node {number}: {}", cluster.node(number).log());
    }
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.all_ready().await;
    let found = team.admin.send(Method::GET, &team.path("/features/one"), None).await.expect("an answer");
    assert_eq!(found.data()["status"], "ready");
}
