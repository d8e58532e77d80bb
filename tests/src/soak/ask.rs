//! A client of the cluster: sends one request at a time to a node, and writes down what it asked and what it heard.

use super::recorder::Recorder;
use crate::client::{Answer, Client};
use nexus_oracles::history::{
    Answered, Ask, FEATURE, Held, Operation, OperationOutcome, SESSION_NOT_FOUND, feature_name,
};
use reqwest::Method;
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;

/// A client gives up on a node after this time: longer than the deadline of the node, which says whether a write may
/// have been applied.
const PATIENCE: Duration = Duration::from_secs(6);

/// A request of a client.
#[derive(Clone, Debug)]
pub struct Request {
    /// The request as histories have it.
    pub ask: Ask,
    /// The method of the HTTP request.
    pub method: Method,
    /// The path below the project.
    pub path: String,
    /// The body, if there is one.
    pub body: Option<Value>,
    /// The idempotency key of a write; retries have the same one.
    pub key: Option<String>,
}

/// The outcome of a request, with the data that a node sent.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The outcome as histories have it.
    pub outcome: OperationOutcome,
    /// The data of the answer; null without an answer.
    pub data: Value,
    /// The time of the call, in microseconds since the episode began.
    pub called_us: u64,
    /// The time at which the answer was there.
    pub returned_us: u64,
}

impl Outcome {
    /// Whether it was carried out.
    pub const fn is_ok(&self) -> bool {
        matches!(self.outcome, OperationOutcome::Ok(_))
    }

    /// The code of a refusal; empty if it was none.
    pub fn code(&self) -> &str {
        match &self.outcome {
            OperationOutcome::Refused(answered) => answered.code.as_deref().unwrap_or_default(),
            _ => "",
        }
    }
}

/// A client with an API key. It has one request at a time.
pub struct Asker {
    /// The number of the client in the history.
    pub number: u64,
    /// Acts as the engineer.
    pub client: Client,
    /// The id of the engineer, which is a part of the identity of requests.
    pub engineer: String,
    /// The id of the project.
    pub project: String,
    /// The addresses of the nodes.
    pub urls: Vec<String>,
    /// How often each node has started.
    pub starts: Arc<[AtomicU64]>,
    /// The records of the episode.
    pub recorder: Recorder,
}

impl Asker {
    /// Sends a request to a node, by its place among the addresses, as a session if there is one.
    pub async fn ask(&self, node: usize, session: Option<&str>, request: &Request) -> Outcome {
        let mut client = self.client.via(self.urls[node].clone());
        if let Some(session) = session {
            client = client.acting_as(session);
        }
        if let Some(key) = &request.key {
            client = client.under_key(key.clone());
        }
        let path = format!("/projects/{}{}", self.project, request.path);
        let node_start = Some(self.starts[node].load(Ordering::Relaxed));
        let called_us = self.recorder.now_us();
        let sent = timeout(PATIENCE, client.send(request.method.clone(), &path, request.body.as_ref())).await;
        let returned_us = self.recorder.now_us();
        let (outcome, data) = match sent {
            // Nothing was sent where nobody listens.
            Ok(Err(error)) if error.is_connect() => (OperationOutcome::NotApplied, Value::Null),
            Ok(Err(_)) | Err(_) => (OperationOutcome::Unknown, Value::Null),
            Ok(Ok(answer)) => {
                let outcome = outcome(&request.ask, &answer);
                (outcome, answer.body.get("data").cloned().unwrap_or(Value::Null))
            }
        };
        // Who starts a session learns its name from the answer.
        let started = (request.ask == Ask::StartSession).then(|| text(&data["id"])).flatten();
        let is_acknowledged = request.ask.is_write() && matches!(outcome, OperationOutcome::Ok(_));
        let operation = Operation {
            client: self.number,
            node: node as u64 + 1,
            node_start,
            called_us,
            returned_us: (outcome != OperationOutcome::Unknown).then_some(returned_us),
            project: Some(self.project.clone()),
            session: session.map(str::to_owned).or(started),
            identity: request.key.as_ref().map(|key| format!("{}/{key}", self.engineer)),
            ask: request.ask.clone(),
            outcome: outcome.clone(),
        };
        self.recorder.operation(operation, is_acknowledged);
        Outcome { outcome, data, called_us, returned_us }
    }
}

/// The meaning of an answer. A request that met no leader says itself whether it may have been applied.
fn outcome(ask: &Ask, answer: &Answer) -> OperationOutcome {
    let is_of_session = answer.body["error"]["details"]["resource"] == "session";
    let code = if is_of_session { SESSION_NOT_FOUND } else { answer.code() };
    let answered = |held| Answered {
        revision: Some(answer.revision()).filter(|revision| *revision > 0),
        code: Some(code.to_owned()).filter(|code| !code.is_empty()),
        held,
        text: None,
    };
    match answer.status.as_u16() {
        200..300 => OperationOutcome::Ok(answered(held(ask, &answer.body["data"]))),
        503 if answer.body["error"]["details"]["outcome"] == "not_applied" => OperationOutcome::NotApplied,
        // Refused before anything was proposed.
        429 => OperationOutcome::NotApplied,
        500.. => OperationOutcome::Unknown,
        _ => OperationOutcome::Refused(answered(in_the_way(&answer.body["error"]["details"]))),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A claim as the API shows it.
fn held_by(claim: &Value) -> Option<Held> {
    Some(Held {
        name: text(&claim["filePath"])?,
        by: text(&claim["sessionId"]),
        exclusive: claim["mode"] == "exclusive",
        fence: claim["fence"].as_u64(),
    })
}

/// The holders that an answer names.
fn held(ask: &Ask, data: &Value) -> Vec<Held> {
    let claims = |list: &Value| list.as_array().into_iter().flatten().filter_map(held_by).collect::<Vec<_>>();
    match ask {
        Ask::Pick { .. } | Ask::PickNext => {
            let feature = text(&data["slug"]).map(|slug| Held {
                name: feature_name(&slug),
                by: text(&data["sessionId"]),
                exclusive: true,
                fence: data["fence"].as_u64(),
            });
            feature.into_iter().chain(claims(&data["claims"])).collect()
        }
        Ask::Claim { .. } => claims(&data["claims"]),
        Ask::ReadHolders { of, .. } => {
            let all = claims(data);
            let of_name = |name: &String| {
                let held: Vec<Held> = all.iter().filter(|held| held.name == *name).cloned().collect();
                if held.is_empty() {
                    vec![Held { name: name.clone(), by: None, exclusive: false, fence: None }]
                } else {
                    held
                }
            };
            // Features are asked about by their names, which claims do not show.
            of.iter().filter(|name| !name.starts_with(FEATURE)).flat_map(of_name).collect()
        }
        _ => Vec::new(),
    }
}

/// The holders that a refusal names.
fn in_the_way(details: &Value) -> Vec<Held> {
    let conflicts = details["conflicts"].as_array().into_iter().flatten();
    let holder = |conflict: &Value| {
        Some(Held {
            name: text(&conflict["filePath"])?,
            by: text(&conflict["claimedBy"]["sessionId"]),
            exclusive: false,
            fence: None,
        })
    };
    conflicts.filter_map(holder).collect()
}
