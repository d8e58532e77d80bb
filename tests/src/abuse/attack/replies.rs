//! Idempotency keys without end, whose replies a cluster has to cache for a while: refusals that name as many
//! conflicts as possible, and features with long texts.

use super::context::{Attack, WIDTH};
use serde_json::json;

/// The number of paths that one session holds and another one wants: as many conflicts as a refusal lists.
const CONFLICTS: usize = 100;

pub(super) async fn send(attack: &Attack) {
    let Some([holder, other]) = attack.two_sessions().await else { return };
    let claims = attack.path("/claims");
    let paths: Vec<String> = (0..CONFLICTS).map(|n| format!("{}/{n}", "long-name".repeat(100))).collect();
    let body = bytes::Bytes::from(json!({ "paths": paths }).to_string());
    attack.post(&holder, &claims, body.clone()).await;
    let slug = attack.path("/features/answered");
    let feature = json!({ "slug": "answered", "title": "t", "spec": "s".repeat(100_000) }).to_string();
    attack.post(&attack.member(0), &attack.path("/features"), feature).await;
    attack
        .flood_on(1.0, WIDTH, |n| {
            let (other, claims, slug, body) = (&other, &claims, &slug, body.clone());
            async move {
                if n % 8 == 0 {
                    let title = json!({ "title": "t".repeat(150) + &n.to_string() }).to_string();
                    attack.patch(&attack.member(n).keyed(), slug, title).await;
                } else {
                    attack.post(&other.keyed(), claims, body).await;
                }
            }
        })
        .await;
}
