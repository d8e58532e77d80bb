//! Creates as many features as the node accepts, with as many paths as possible. Then changes many of their titles, and
//! requests pages of the events about them, as members and as a member of another project.

use super::context::{Attack, Identity, WIDTH};
use serde_json::json;

/// Paths of one feature: ten below the limit.
const PATHS: usize = 9_990;
/// The number of features: without a limit in the node, they would far exceed the bar for memory.
const FEATURES: usize = 450;
const FEATURES_WHEN_SHORT: usize = 20;

fn body(number: usize) -> String {
    let touches: Vec<String> = (0..PATHS).map(|path| format!("area-{number}/file_{path}.rs")).collect();
    json!({ "slug": format!("many-{number}"), "title": "t", "spec": "s", "touches": touches }).to_string()
}

pub(super) async fn send(attack: &Attack) {
    let features = attack.most(FEATURES, FEATURES_WHEN_SHORT);
    attack
        .flood(0.6, 4, features, |n| async move {
            attack.post(&attack.member(n), &attack.path("/features"), body(n)).await;
        })
        .await;
    attack
        .flood_on(0.8, WIDTH, |n| async move {
            let path = attack.path(&format!("/features/many-{}", n % features));
            let title = json!({ "title": format!("title {n}") }).to_string();
            attack.patch(&attack.member(n), &path, title).await;
        })
        .await;
    let bystander = Identity::key(&attack.target().bystander);
    let theirs = format!("/projects/{}/events", attack.target().other_project);
    attack
        .flood_on(1.0, WIDTH, |n| {
            let (bystander, theirs) = (&bystander, &theirs);
            async move {
                match n % 4 {
                    0 => attack.get(&attack.member(n), &attack.path("/events?limit=1000")).await,
                    1 => attack.get(&attack.member(n), &attack.path("/features?limit=100")).await,
                    _ => attack.get(bystander, &format!("{theirs}?limit=1")).await,
                };
            }
        })
        .await;
}
