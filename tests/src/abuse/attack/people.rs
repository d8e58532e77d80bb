//! Things that a cluster stores for ever: projects, and engineers, whose registration needs no key.

use super::context::{Attack, Identity, WIDTH};
use serde_json::json;

pub(super) async fn projects(attack: &Attack) {
    let most = attack.most(usize::MAX, 300);
    attack
        .flood(1.0, WIDTH, most, |n| async move {
            let body =
                json!({ "name": "n".repeat(100), "slug": format!("p-{n}"), "repoPath": "r".repeat(200) });
            attack.post(&attack.member(n), "/projects", body.to_string()).await;
        })
        .await;
    attack
        .flood_on(1.0, WIDTH, |n| async move {
            attack.get(&attack.member(n), "/projects").await;
        })
        .await;
}

pub(super) async fn registrations(attack: &Attack) {
    attack
        .flood_on(1.0, 2 * WIDTH, |n| async move {
            if n % 8 == 0 {
                // Each unknown key costs a request to the leader.
                let wrong = Identity::key(&format!("nexus_eng_{:064x}", n + 1));
                attack.get(&wrong, "/auth/me").await;
                return;
            }
            let body =
                json!({ "name": "n".repeat(100), "email": format!("{n}-{}@example.com", "e".repeat(200)) });
            attack.post(&Identity::default(), "/auth/register", body.to_string()).await;
        })
        .await;
}
