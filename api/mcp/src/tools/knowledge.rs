//! The tools for knowledge that outlives an agent: learnings, decisions and checkpoints.

use crate::{
    port::{self, Failure, Port, Request, segment},
    refusal,
};
use nexus_api_types::{
    Moment,
    checkpoint::{self, CheckpointType, SaveCheckpoint},
    knowledge::{AddDecision, AddLearning, Decision, Learning},
    session::{Session, StartSession},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// The answer of the tools that record something.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recorded {
    /// Its id; null if it repeats the newest one and was not stored again
    id: Option<String>,
    /// The feature that it is about; null when it is about the whole project
    feature_slug: Option<String>,
    created_at: Option<String>,
}

impl Recorded {
    /// An answer about something that was stored, at its time.
    fn of(stored: Option<(Uuid, Moment)>, feature_slug: Option<String>) -> Self {
        Self {
            id: stored.map(|(id, _)| id.to_string()),
            created_at: stored.map(|(_, at)| refusal::time(at)),
            feature_slug,
        }
    }
}

/// A learning about a feature.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Learn {
    feature_slug: String,
    content: String,
}

/// Adds a learning.
pub(super) async fn learn(port: &dyn Port, learnt: Learn) -> Result<Recorded, Failure> {
    let feature = port::feature(port, &learnt.feature_slug).await?;
    let path = format!("/features/{}/learnings", segment(&feature.slug));
    let body = AddLearning { content: learnt.content };
    let made: Learning = port::ask(port, Request::post(path).body(&body).with_session_if_any()).await?;
    Ok(Recorded::of(Some((made.id, made.created_at)), Some(feature.slug)))
}

/// A decision with its reasons.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Decide {
    /// The title, one line
    title: String,
    decision: String,
    rationale: Option<String>,
    alternatives: Option<String>,
    /// Feature that it is about; the whole project if left out
    feature_slug: Option<String>,
}

/// Records a decision.
pub(super) async fn decide(port: &dyn Port, decided: Decide) -> Result<Recorded, Failure> {
    let body = AddDecision {
        title: decided.title,
        decision: decided.decision,
        rationale: decided.rationale,
        alternatives: decided.alternatives,
        feature_slug: decided.feature_slug,
        supersedes: None,
    };
    let made: Decision =
        port::ask(port, Request::post("/decisions").body(&body).with_session_if_any()).await?;
    Ok(Recorded::of(Some((made.id, made.created_at)), made.feature_slug))
}

/// A checkpoint of the work on a feature.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Checkpoint {
    feature_slug: String,
    /// Finished work, open work, and the next step
    notes: String,
    /// Branch, commit, open files and the like
    #[serde(default)]
    context: Map<String, Value>,
}

/// Saves a checkpoint.
pub(super) async fn checkpoint(port: &dyn Port, reached: Checkpoint) -> Result<Recorded, Failure> {
    let feature = port::feature(port, &reached.feature_slug).await?;
    let session_id = match port.session().await? {
        Some(id) => id,
        None => {
            let start = Request::post("/sessions").body(&StartSession::default());
            port::ask::<Session>(port, start).await?.id
        }
    };
    let body = SaveCheckpoint {
        session_id,
        feature_id: feature.id,
        context: (!reached.context.is_empty()).then_some(reached.context),
        kind: Some(CheckpointType::Manual),
        notes: Some(reached.notes),
    };
    let saved: Option<checkpoint::Checkpoint> =
        port::ask(port, Request::post("/sessions/checkpoints").body(&body).with_session_if_any()).await?;
    Ok(Recorded::of(saved.map(|saved| (saved.id, saved.created_at)), Some(feature.slug)))
}
