//! Features each of which depends on the hundred before it. They are written, made into cycles, listed and picked.

use super::context::{Attack, WIDTH};
use serde_json::json;

/// Dependencies of one feature: the largest allowed number.
const EDGES: usize = 100;
/// The number of features: a walk over far fewer is expensive already.
const FEATURES: usize = 5_000;
const FEATURES_WHEN_SHORT: usize = 300;

fn depends_on(number: usize) -> Vec<String> {
    (number.saturating_sub(EDGES)..number).map(|before| format!("link-{before}")).collect()
}

pub(super) async fn send(attack: &Attack) {
    let features = attack.most(FEATURES, FEATURES_WHEN_SHORT);
    // One after the other: each depends on the ones before it.
    attack
        .flood(0.5, 1, features, |n| async move {
            let body =
                json!({ "slug": format!("link-{n}"), "title": "t", "spec": "s", "dependsOn": depends_on(n) });
            attack.post(&attack.member(n), &attack.path("/features"), body.to_string()).await;
            attack.post(&attack.member(n), &attack.path(&format!("/features/link-{n}/ready")), "{}").await;
        })
        .await;
    attack
        .flood_on(1.0, WIDTH, |n| async move {
            let member = attack.member(n);
            let path = |rest: &str| attack.path(&format!("/features{rest}"));
            match n % 5 {
                // From the first to the last: a cycle over all of them.
                0 | 1 => {
                    let ends: Vec<String> =
                        (0..EDGES).map(|end| format!("link-{}", features - 1 - end)).collect();
                    let body = json!({ "dependsOn": ends }).to_string();
                    attack.patch(&member, &path(&format!("/link-{}", n % EDGES)), body).await;
                }
                2 => drop(attack.get(&member, &path("/available")).await),
                3 => drop(attack.post(&member, &path("/pick-next"), "{}").await),
                _ => drop(attack.get(&member, &attack.path("/roadmap")).await),
            }
        })
        .await;
}
