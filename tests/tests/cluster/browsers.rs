//! Pages in browsers that call a node: allowed pages may read every answer, and other pages none. Requests of other
//! pages change nothing, by whatever name they reach the node.

use nexus_tests::{Client, Cluster, Team, contract::is_sound};
use reqwest::{Method, StatusCode};
use serde_json::json;

const PAGE: &str = "https://board.example.com";

fn allowed(answer: &nexus_tests::Answer) -> Option<&str> {
    answer.headers.get("access-control-allow-origin").and_then(|origin| origin.to_str().ok())
}

#[tokio::test]
async fn an_allowed_page_can_read_a_refusal() {
    let cluster = Cluster::start_with(1, &["--allowed-origins", PAGE]).await;
    let page = cluster.client().with_header("Origin", PAGE);
    let unknown = page.with_key(format!("nexus_eng_{}", "0".repeat(64)));
    let refusals: [(&Client, Method, &str, u16); 5] = [
        (&page, Method::GET, "/auth/me", 401),
        (&unknown, Method::GET, "/auth/me", 401),
        (&page, Method::GET, "/nowhere", 404),
        (&page, Method::PUT, "/auth/me", 405),
        (&page, Method::POST, "/auth/register", 400),
    ];
    for (client, method, path, status) in refusals {
        let refused = client.send(method, path, None).await.expect("an answer");
        assert_eq!(refused.status.as_u16(), status, "{path}");
        assert_eq!(allowed(&refused), Some(PAGE), "{path}");
        assert!(refused.headers.contains_key("access-control-expose-headers"), "{path}");
    }
    // Also the answer to too many requests.
    let mut limited = None;
    for _ in 0..400 {
        let refused = unknown.get("/auth/me").await;
        if refused.status == StatusCode::TOO_MANY_REQUESTS {
            limited = Some(refused);
            break;
        }
    }
    let limited = limited.expect("wrong keys are limited");
    assert_eq!(allowed(&limited), Some(PAGE));
    for header in ["retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        assert!(limited.headers.contains_key(header), "{header}");
    }
    let stranger = cluster.client().with_header("Origin", "https://elsewhere.example.com");
    assert_eq!(allowed(&stranger.get("/auth/me").await), None);
}

#[tokio::test]
async fn a_foreign_page_registers_no_engineer_and_opens_no_socket() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let client = cluster.client();
    let register = |client: Client, name: &str| {
        let body = json!({ "name": name, "email": format!("{name}@example.com") });
        async move { client.post("/auth/register", body).await }
    };
    // With a foreign host name that resolves to this machine.
    for host in ["rebound.example.org", "rebound.example.org:7401", "127.0.0.1.example.org"] {
        let rebound = client.with_header("Host", host);
        let refused = register(rebound.clone(), "eve").await;
        is_sound(&refused);
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "FORBIDDEN"), "{host}");
        assert!(refused.message().contains("--allowed-hosts"), "{}", refused.message());
        assert_eq!(rebound.send_bare(Method::GET, "/metrics", None).await.expect("an answer").status, 403);
        assert_eq!(rebound.get("/health/live").await.status, 200, "health may be read by any name");
    }
    // With a request that a browser sends without a preflight.
    for origin in ["https://rebound.example.org", "null", "http://127.0.0.1:1"] {
        let page = client.with_header("Origin", origin);
        let refused = register(page.clone(), "eve").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "FORBIDDEN"), "{origin}");
        let socket = page.with_header("Upgrade", "websocket").with_header("Connection", "Upgrade");
        assert_eq!(socket.get("/ws").await.code(), "FORBIDDEN", "{origin}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let simple = client.with_header("Content-Type", kind);
        let refused = register(simple, "eve").await;
        is_sound(&refused);
        assert_eq!((refused.status.as_u16(), refused.code()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{kind}");
        assert!(refused.message().contains("application/json"), "{}", refused.message());
    }
    // Further names are configured, and a page of the node itself is not foreign.
    assert_eq!(register(client.with_header("Host", "localhost:7401"), "ana").await.status, 201);
    let own = client.with_header("Origin", client.base());
    assert_eq!(register(own, "ben").await.status, 201);
    let everybody = team.admin.get(&team.path("")).await;
    assert_eq!(everybody.data()["members"].as_array().map(Vec::len), Some(1));
    let eve = register(client, "eve").await;
    assert_eq!(eve.status, 201, "nobody had registered her: {}", eve.body);
}

#[tokio::test]
async fn a_node_answers_to_its_configured_names() {
    let flags = ["--allowed-hosts", "nexus.example.com", "--advertise", "advertised.example.com:7401"];
    let cluster = Cluster::start_with(1, &flags).await;
    for (host, status) in
        [("nexus.example.com", 401), ("advertised.example.com:80", 401), ("other.example.com", 403)]
    {
        let answer = cluster.client().with_header("Host", host).get("/auth/me").await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
    let proxied = Cluster::start_with(1, &["--trust-proxy", "true"]).await;
    let client = proxied.client().with_header("Host", "other.example.com");
    assert_eq!(client.get("/auth/me").await.status, 401);
}

#[tokio::test]
async fn metrics_without_a_key_are_for_programs_of_this_machine() {
    let cluster = Cluster::start(1).await;
    let client = cluster.client();
    let status = async |client: Client| {
        client.send_bare(Method::GET, "/metrics", None).await.expect("an answer").status.as_u16()
    };
    assert_eq!(status(client.clone()).await, 200);
    for (name, value) in
        [("X-Forwarded-For", "203.0.113.9"), ("Forwarded", "for=203.0.113.9"), ("Via", "1.1 proxy")]
    {
        assert_eq!(status(client.with_header(name, value)).await, 401, "{name}");
    }
    let trusting = Cluster::start_with(1, &["--trust-proxy", "true"]).await;
    assert_eq!(status(trusting.client()).await, 401);
}

#[tokio::test]
async fn a_node_shows_people_how_it_is_and_where_to_go_on() {
    let cluster = Cluster::start(1).await;
    let url = cluster.urls().remove(0);
    let home = reqwest::get(&url).await.expect("an answer");
    assert_eq!(home.status(), StatusCode::OK);
    let policy = home.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let home = home.text().await.expect("a page");
    for wanted in ["This node is ready.", env!("CARGO_PKG_VERSION"), &format!("nexus setup --server {url}")] {
        assert!(home.contains(wanted), "{wanted}: {home}");
    }
    // Each link of the page leads somewhere.
    for link in home.split("href=").skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
        let linked = reqwest::get(format!("{url}/{link}")).await.expect("an answer");
        assert_eq!(linked.status(), StatusCode::OK, "{link}");
    }
    let script = reqwest::get(format!("{url}/docs/search.js")).await.expect("an answer");
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
}
