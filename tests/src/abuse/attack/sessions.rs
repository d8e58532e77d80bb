//! Starts as many sessions as the node accepts, each with claims. Then all end: some by request, the others fall silent
//! at once. Heartbeats for sessions of other engineers are sent meanwhile.

use super::context::{Attack, Identity, WIDTH};
use reqwest::Method;
use serde_json::json;
use std::sync::{Mutex, PoisonError};

/// Sessions of all members together: as many as one engineer may have in a project.
const SESSIONS: usize = 4_000;
const SESSIONS_WHEN_SHORT: usize = 60;
/// Claims of one session.
const CLAIMS: usize = 100;
/// Starts one session with as many claims as it may hold.
const PARTS: usize = 10;
const PATHS_OF_PART: usize = 9_990;

pub(super) async fn send(attack: &Attack) {
    let begun: Mutex<Vec<Identity>> = Mutex::default();
    let sessions = attack.most(SESSIONS, SESSIONS_WHEN_SHORT);
    let parts = attack.most(PARTS, 2);
    if let Some(greedy) = attack.session(&attack.member(0), "greedy").await {
        for part in 0..parts {
            let paths: Vec<String> = (0..PATHS_OF_PART).map(|n| format!("greedy-{part}/{n}.rs")).collect();
            attack.post(&greedy, &attack.path("/claims"), json!({ "paths": paths }).to_string()).await;
        }
        begun.lock().unwrap_or_else(PoisonError::into_inner).push(greedy);
    }
    attack
        .flood(0.5, WIDTH, sessions, |n| {
            let begun = &begun;
            async move {
                let Some(session) = attack.session(&attack.member(n), &format!("agent-{n}")).await else {
                    return;
                };
                let paths: Vec<String> = (0..CLAIMS).map(|path| format!("held-{n}/{path}.rs")).collect();
                attack.post(&session, &attack.path("/claims"), json!({ "paths": paths }).to_string()).await;
                begun.lock().unwrap_or_else(PoisonError::into_inner).push(session);
            }
        })
        .await;
    let begun = begun.into_inner().unwrap_or_else(PoisonError::into_inner);
    let heartbeat =
        |session: &Identity| attack.path(&format!("/sessions/{}/heartbeat", session.session_id()));
    // Each sends one heartbeat: from then on the leases are short, and all sessions end together.
    attack
        .flood(0.6, WIDTH, begun.len(), |n| {
            let (session, path) = (&begun[n], heartbeat(&begun[n]));
            async move { drop(attack.post(session, &path, "{}").await) }
        })
        .await;
    attack
        .flood(0.65, WIDTH, begun.len() / 2, |n| {
            let session = &begun[n];
            let path = attack.path(&format!("/sessions/{}", session.session_id()));
            async move { drop(attack.ask(session, Method::DELETE, &path, None).await) }
        })
        .await;
    let foreign = &attack.target().foreign_sessions;
    attack
        .flood_on(1.0, WIDTH, |n| async move {
            let id = &foreign[n % foreign.len().max(1)];
            let theirs = format!("/projects/{}/sessions/{id}", attack.target().foreign_project);
            let own = attack.path(&format!("/sessions/{id}/heartbeat"));
            let member = attack.member(n);
            match n % 4 {
                0 => attack.post(&member, &format!("{theirs}/heartbeat"), "{}").await,
                1 => attack.post(&member, &own, "{}").await,
                2 => attack.ask(&member, Method::DELETE, &theirs, None).await,
                _ => attack.post(&member.session(id), &attack.path("/claims"), r#"{"paths":["a"]}"#).await,
            };
        })
        .await;
}
