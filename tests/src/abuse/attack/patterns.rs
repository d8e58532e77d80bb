//! Wildcards that are expensive to compare. One session holds them; others claim them, write them into features and
//! check them.

use super::context::{Attack, Identity, WIDTH};
use nexus_domain::pattern::Pattern;
use serde_json::json;

/// Patterns of one request: as many wildcards as a feature may have.
const WILD: usize = 100;
/// The number of features with such patterns.
const FEATURES: usize = 200;
/// The parts that patterns consist of.
const PARTS: [&str; 6] = ["*a", "**/a/", "{a,b,ab}", "?*a", "[ab]*a", "{a,{b,a*}}"];
/// The ends of patterns: patterns with different ends share no path, which takes long to find out.
const ENDS: [&str; 3] = ["[x]", "[y]", "[z]"];

/// A hundred patterns of a part, as long as possible, that differ early and late, and have the same end.
fn hundred(part: &str, end: &str) -> Vec<String> {
    let is_allowed = |count: &usize| Pattern::parse(&(part.repeat(*count) + end)).is_ok();
    let longest = (1..).take_while(is_allowed).last().unwrap_or(1);
    // Slightly shorter than the longest: a pattern that is too expensive to compare with its own kind is refused.
    let most = longest.saturating_sub(2).max(1);
    let other = part.replace('a', "b");
    let one = |n: usize, at: usize| if at == n % most || at == n / most { other.as_str() } else { part };
    (0..WILD).map(|n| (0..most).map(|at| one(n, at)).collect::<String>() + end).collect()
}

/// Request bodies with such patterns, by part and end.
type Bodies = [[String; ENDS.len()]; PARTS.len()];

fn bodies(made: impl Fn(Vec<String>) -> serde_json::Value) -> Bodies {
    PARTS.map(|part| ENDS.map(|end| made(hundred(part, end)).to_string()))
}

pub(super) async fn send(attack: &Attack) {
    let Some([holder, other]) = attack.two_sessions().await else { return };
    let claims = attack.path("/claims");
    let paths = bodies(|paths| json!({ "paths": paths }));
    let touches = bodies(|paths| json!({ "touches": paths }));
    for held in bodies(|paths| json!({ "paths": paths, "mode": "shared" })) {
        attack.post(&holder, &claims, held[0].clone()).await;
    }
    let too_expensive = json!({ "paths": ["*a".repeat(60) + "[x]"] }).to_string();
    attack
        .flood_on(1.0, WIDTH, |n| {
            let (paths, touches, too_expensive) = (&paths, &touches, &too_expensive);
            let (other, claims) = (&other, &claims);
            async move {
                let member = attack.member(n);
                let part = n / 8 % PARTS.len();
                match n % 8 {
                    0 => drop(attack.post(other, claims, paths[part][1].clone()).await),
                    1 | 2 => {
                        let check = format!("{claims}/check");
                        drop(attack.post(&member, &check, paths[part][n % 2].clone()).await);
                    }
                    3 => drop(attack.get(&member, &attack.path("/features/available")).await),
                    4 => drop(attack.post(&member, claims, too_expensive.clone()).await),
                    5 => feature(attack, &member, n, &touches[part]).await,
                    6 => drop(attack.post(other, &attack.path("/features/pick-next"), "{}").await),
                    _ => drop(attack.get(&member, &attack.path("/status")).await),
                }
            }
        })
        .await;
}

/// Writes a feature, gives it such patterns one after the other, and picks it.
async fn feature(attack: &Attack, member: &Identity, n: usize, touches: &[String]) {
    let slug = format!("wild-{}", n / 8 % FEATURES);
    let body = json!({ "slug": slug, "title": "t", "spec": "s" }).to_string();
    attack.post(member, &attack.path("/features"), body).await;
    let path = attack.path(&format!("/features/{slug}"));
    attack.patch(member, &path, touches[n / 8 % touches.len()].clone()).await;
    attack.post(member, &format!("{path}/ready"), "{}").await;
    attack.post(member, &format!("{path}/pick"), "{}").await;
    attack.post(member, &format!("{path}/release"), "{}").await;
}
