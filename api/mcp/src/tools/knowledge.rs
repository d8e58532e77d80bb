//! The tools for knowledge that outlives an agent: learnings, decisions and checkpoints.

use crate::port::{self, Failure, Port, Request, segment};
use nexus_api_types::{
    checkpoint::{self, CheckpointType, SaveCheckpoint},
    feature::Feature,
    knowledge::{AddDecision, AddLearning, Decision, Learning},
    session::{Session, StartSession},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The answer of the tools that record something.
#[derive(Serialize, JsonSchema)]
pub(super) struct Recorded {
    /// The feature that it is about; left out when it is about the whole project
    feature: Option<String>,
    /// False if it said nothing new
    kept: bool,
}

/// A learning about a feature.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Learn {
    feature: String,
    text: String,
}

/// Adds a learning.
pub(super) async fn learn(port: &dyn Port, learnt: Learn) -> Result<Recorded, Failure> {
    let path = format!("/features/{}/learnings", segment(&learnt.feature));
    let body = AddLearning { content: learnt.text };
    let _: Learning = port::ask(port, Request::post(path).body(&body).with_session_if_any()).await?;
    Ok(Recorded { feature: Some(learnt.feature), kept: true })
}

/// A decision with its reasons.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    /// The title, one line
    title: String,
    decision: String,
    rationale: Option<String>,
    alternatives: Option<String>,
    /// Feature that it is about; the whole project if left out
    feature: Option<String>,
}

/// Records a decision.
pub(super) async fn decide(port: &dyn Port, decided: Decide) -> Result<Recorded, Failure> {
    let body = AddDecision {
        title: decided.title,
        decision: decided.decision,
        rationale: decided.rationale,
        alternatives: decided.alternatives,
        feature_slug: decided.feature,
        supersedes: None,
    };
    let made: Decision =
        port::ask(port, Request::post("/decisions").body(&body).with_session_if_any()).await?;
    Ok(Recorded { feature: made.feature_slug, kept: true })
}

/// A checkpoint of the work on a feature.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    feature: String,
    /// Finished work, open work, and the next step
    notes: String,
    /// Branch, commit, open files and the like
    #[serde(default)]
    context: Map<String, Value>,
}

/// Saves a checkpoint.
pub(super) async fn checkpoint(port: &dyn Port, reached: Checkpoint) -> Result<Recorded, Failure> {
    let feature: Feature =
        port::ask(port, Request::get(format!("/features/{}", segment(&reached.feature)))).await?;
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
    Ok(Recorded { feature: Some(feature.slug), kept: saved.is_some() })
}
