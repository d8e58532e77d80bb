//! An observer that follows the feed of a project, through one node after another, and writes down each event once.

use super::recorder::Recorder;
use crate::{client::Client, socket::Socket};
use nexus_oracles::history::{SeenEvent, SessionEnd, SessionEndKind};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// A feed that is silent for so long is asked for through another node: its node may hang.
const SILENCE: Duration = Duration::from_secs(3);
/// The pause before the next node is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// Follows the feed until it is stopped.
pub async fn follow(
    client: Client,
    urls: Vec<String>,
    project: String,
    recorder: Recorder,
    stop: Arc<AtomicBool>,
) {
    let mut last: Option<(u64, u64)> = None;
    for asked in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let via = client.via(urls[asked % urls.len()].clone());
        if let Ok(Ok(socket)) = timeout(SILENCE, Socket::try_open(&via, "/ws")).await {
            read(socket, &project, &recorder, &mut last, &stop).await;
        }
        sleep(PAUSE).await;
    }
}

async fn read(
    mut socket: Socket,
    project: &str,
    recorder: &Recorder,
    last: &mut Option<(u64, u64)>,
    stop: &AtomicBool,
) {
    // The last revision may have been cut off in its middle.
    let since = last.map_or(0, |(revision, _)| revision - 1);
    socket.send_json(json!({ "type": "join", "projectId": project, "since": since })).await;
    while !stop.load(Ordering::Relaxed) {
        let Ok(Some(text)) = timeout(SILENCE, socket.next_text()).await else { return };
        let Ok(event) = serde_json::from_str::<Value>(&text) else { return };
        let place = event["revision"].as_u64().zip(event["seq"].as_u64());
        // Answers to a join have a revision, too, but no place in it.
        let Some(place) = place else {
            if event["type"] == "error" || event["type"] == "compacted" {
                return;
            }
            continue;
        };
        if last.is_some_and(|last| place <= last) {
            continue;
        }
        *last = Some(place);
        note_end(&event, recorder);
        let seq = u32::try_from(place.1).unwrap_or(u32::MAX);
        let text = event["type"].as_str().unwrap_or_default().to_owned();
        recorder.followed(SeenEvent { revision: place.0, seq, acquired: Vec::new(), text });
    }
}

/// Notes the end of a lease or of a grace as the follower learns of it, which is later than it was. A session that
/// somebody has ended looks the same; the verdict leaves it out.
fn note_end(event: &Value, recorder: &Recorder) {
    let kind = match (event["type"].as_str(), event["reason"].as_str()) {
        (Some("session_ended"), _) => SessionEndKind::Lease,
        (Some("files_released"), Some("expired")) => SessionEndKind::Grace,
        _ => return,
    };
    let Some(session) = event["sessionId"].as_str() else { return };
    recorder.session_end(SessionEnd {
        session: session.to_owned(),
        kind,
        at_us: Some(recorder.now_us()),
        revision: event["revision"].as_u64(),
        cluster_ms: None,
    });
}
