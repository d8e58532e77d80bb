//! Expensive requests of one engineer delay others only for a moment: expensive patterns, queries about them, long
//! lists.

use nexus_domain::pattern::Pattern;
use nexus_tests::{Client, Cluster, Team};
use serde_json::{Value, json};

/// A hundred patterns that are almost as expensive to compare as the rules allow. Patterns with different ends share no
/// path, which takes long to find out.
fn hundred(end: &str) -> Vec<String> {
    let allowed = |count: &usize| Pattern::parse(&("*a".repeat(*count) + end)).is_ok();
    let most = (1..30).filter(allowed).max().expect("one star is not much") - 2;
    let letter = |n: usize, at: usize| if at == n % most || at == n / most { "*b" } else { "*a" };
    (0..100).map(|n| (0..most).map(|at| letter(n, at)).collect::<String>() + end).collect()
}

#[tokio::test]
async fn too_expensive_a_pattern_is_refused_and_a_hundred_expensive_ones_delay_nobody() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let (holder, other) = (team.agent(&team.admin, "holder").await, team.agent(&team.admin, "other").await);
    let claims = team.path("/claims");
    let claim = |paths: Value| json!({ "paths": paths, "mode": "shared" });

    let too_expensive = holder.post(&claims, claim(json!(["*a".repeat(30) + "[x]"]))).await;
    assert_eq!((too_expensive.status.as_u16(), too_expensive.code()), (400, "VALIDATION_ERROR"));
    assert!(too_expensive.message().contains("the pattern is too complex"), "{}", too_expensive.message());

    holder.post(&claims, claim(json!(hundred("[x]")))).await.data();
    let refused = other.post(&claims, json!({ "paths": hundred("[y]") })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_ERROR"), "{}", refused.message());
    assert!(refused.message().contains("name folders or files instead"), "{}", refused.message());
    other.post(&claims, json!({ "paths": ["src/a.rs", "docs/b.md"] })).await.data();

    // Queries about them delay nobody, however many there are.
    let check = |client: Client, path: String| async move {
        client.post(&path, json!({ "paths": hundred("[y]") })).await
    };
    let questions: Vec<_> =
        (0..24).map(|_| tokio::spawn(check(team.admin.clone(), team.path("/claims/check")))).collect();
    let mut answered_meanwhile = 0;
    while questions.iter().any(|question| !question.is_finished()) {
        let live = cluster.client().get("/health/live").await;
        assert_eq!(live.status.as_u16(), 200);
        answered_meanwhile += 1;
    }
    assert!(answered_meanwhile >= 20, "the node answered {answered_meanwhile} times while it computed");
    for question in questions {
        let answer = question.await.expect("no panic");
        match answer.status.as_u16() {
            200 => assert_eq!(answer.data()["ok"], true),
            400 => {
                assert!(answer.message().contains("name folders or files instead"), "{}", answer.message());
            }
            503 => assert!(answer.headers.contains_key("retry-after"), "{}", answer.message()),
            other => panic!("{other}: {}", answer.message()),
        }
    }
}

#[tokio::test]
async fn a_long_list_of_claims_is_cut_and_gives_the_total() {
    let cluster = Cluster::start(1).await;
    let team = Team::of(&cluster).await;
    let agent = team.agent(&team.admin, "greedy").await;
    for part in 0..3 {
        let paths: Vec<String> = (0..5_000).map(|n| format!("part-{part}/file_{n}.rs")).collect();
        agent.post(&team.path("/claims"), json!({ "paths": paths })).await.data();
    }
    let listed = team.admin.get(&team.path("/claims")).await;
    assert_eq!(listed.data().as_array().map(Vec::len), Some(10_000));
    assert_eq!(listed.headers["x-total-count"], "15000");
    let status = team.admin.get(&team.path("/status")).await;
    assert_eq!(status.data()["claims"].as_array().map(Vec::len), Some(10_000));
    assert_eq!(status.data()["claimsTotal"], 15_000);
    let mine = agent.get(&team.path("/claims/mine")).await;
    assert_eq!(mine.data().as_array().map(Vec::len), Some(15_000), "a holder gets all of its own claims");
}
