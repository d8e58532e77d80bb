//! The longest possible answers, many at once, with several keys: lists of claims, pages of long texts, roadmaps with
//! every spec, and all events from the first on.

use super::context::{Attack, WIDTH};
use serde_json::json;

/// The number of texts of each sort, and the bytes of each: pages of many megabytes.
const TEXTS: usize = 100;
const TEXT_BYTES: usize = 200_000;
/// One text in this many is as long as a body allows.
const LONGEST_OF: usize = 4;
const LONGEST_BYTES: usize = 1_000_000;
/// Largest decision or learning, in bytes.
const LONGEST_NOTE_BYTES: usize = 256 << 10;
/// Claims of each member, and the paths in each request.
const REQUESTS: usize = 5;
const PATHS_OF_REQUEST: usize = 9_990;

pub(super) async fn send(attack: &Attack) {
    let (long, longest) = ("long text ".repeat(TEXT_BYTES / 10), "long text ".repeat(LONGEST_BYTES / 10));
    let texts = attack.most(TEXTS, 10);
    attack
        .flood(0.2, 4, texts, |n| {
            let text = if n % LONGEST_OF == 0 { &longest } else { &long };
            async move {
                let feature = json!({ "slug": format!("long-{n}"), "title": "t", "spec": text }).to_string();
                attack.post(&attack.member(n), &attack.path("/features"), feature).await;
                let text = &text[..text.len().min(LONGEST_NOTE_BYTES)];
                let decision = json!({ "title": "t", "decision": text }).to_string();
                attack.post(&attack.member(n), &attack.path("/decisions"), decision).await;
                let learning = json!({ "content": text }).to_string();
                attack.post(&attack.member(n), &attack.path("/features/long-0/learnings"), learning).await;
            }
        })
        .await;
    attack
        .flood(0.4, 4, attack.target().members.len() * attack.most(REQUESTS, 1), |n| async move {
            let Some(session) = attack.session(&attack.member(n), "hoarder").await else { return };
            let paths: Vec<String> =
                (0..PATHS_OF_REQUEST).map(|path| format!("part-{n}/{path}.rs")).collect();
            attack.post(&session, &attack.path("/claims"), json!({ "paths": paths }).to_string()).await;
        })
        .await;
    let longest = [
        "/claims",
        "/claims/mine",
        "/status",
        "/roadmap",
        "/features?limit=100",
        "/features/available",
        "/decisions?limit=100",
        "/features/long-0/learnings?limit=100",
        "/events?limit=1000",
    ];
    attack
        .flood_on(1.0, WIDTH, |n| async move {
            let who = if n % 2 == 0 { attack.member(n) } else { attack.member(n).via(0) };
            attack.get(&who, &attack.path(longest[n % longest.len()])).await;
        })
        .await;
}
