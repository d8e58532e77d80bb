//! Pages in browsers that call a node: those that are named may read every answer, others none.

use nexus_tests::{Client, Cluster};
use reqwest::{Method, StatusCode};

const PAGE: &str = "https://board.example.com";

fn allowed(answer: &nexus_tests::Answer) -> Option<&str> {
    answer.headers.get("access-control-allow-origin").and_then(|origin| origin.to_str().ok())
}

#[tokio::test]
async fn a_page_that_is_named_may_read_why_it_was_refused() {
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
    // Also when it asks too often.
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
