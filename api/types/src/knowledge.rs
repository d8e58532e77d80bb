//! Learnings and decisions on the wire.

use crate::{
    Moment,
    body::{LongText, SomeText, TextField, Unknown, body},
};
use nexus_domain::{
    EngineerId, State, document,
    ids::DecisionId,
    short_text::{Slug, Title},
};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};
use uuid::Uuid;

/// A learning from the work on a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Learning {
    /// The id of the learning.
    pub id: Uuid,
    /// The feature that was worked on.
    pub feature_id: Uuid,
    /// The engineer who wrote it.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    #[serde(default)]
    pub engineer_name: String,
    /// The text of the learning.
    pub content: String,
    /// When it was written.
    pub created_at: Moment,
}

impl Learning {
    /// A stored learning, with the name of its author.
    pub fn of(state: &State, learning: &document::Learning) -> Self {
        Self {
            id: learning.id.0,
            feature_id: learning.feature.0,
            engineer_id: learning.engineer.0,
            engineer_name: author(state, learning.engineer),
            content: learning.content.to_string(),
            created_at: learning.created_at.into(),
        }
    }
}

/// The name of an engineer, or the id of a deleted one.
fn author(state: &State, engineer: EngineerId) -> String {
    state.engineer(engineer).map_or_else(|| engineer.to_string(), |found| found.name.to_string())
}

body! {
    /// Body of `POST …/features/:slug/learnings`.
    pub struct AddLearning => CheckedAddLearning, Unknown::Ignored {
        /// The text, at least 1 character.
        content: SomeText,
    }
}

/// A decision about a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The id of the decision.
    pub id: Uuid,
    /// The project that it is about.
    pub project_id: Uuid,
    /// The feature it is about.
    pub feature_id: Option<Uuid>,
    /// The slug of that feature.
    #[serde(default)]
    pub feature_slug: Option<String>,
    /// The engineer who wrote it down.
    pub engineer_id: Uuid,
    /// The name of that engineer.
    #[serde(default)]
    pub engineer_name: String,
    /// The title: one line.
    pub title: String,
    /// The decision itself.
    pub decision: String,
    /// The reasons for it.
    pub rationale: Option<String>,
    /// The alternatives that were rejected.
    pub alternatives: Option<String>,
    /// The decision that it replaces.
    pub supersedes: Option<Uuid>,
    /// When it was written.
    pub created_at: Moment,
}

impl Decision {
    /// A stored decision, with the name of its author.
    pub fn of(state: &State, decision: &document::Decision) -> Self {
        Self {
            id: decision.id.0,
            project_id: decision.project.0,
            feature_id: decision.feature.as_ref().map(|(id, _)| id.0),
            feature_slug: decision.feature.as_ref().map(|(_, slug)| slug.to_string()),
            engineer_id: decision.engineer.0,
            engineer_name: author(state, decision.engineer),
            title: decision.title.to_string(),
            decision: decision.decision.to_string(),
            rationale: decision.rationale.as_ref().map(ToString::to_string),
            alternatives: decision.alternatives.as_ref().map(ToString::to_string),
            supersedes: decision.supersedes.map(|id| id.0),
            created_at: decision.created_at.into(),
        }
    }
}

/// The slug of a feature that is named. Any text is accepted: there is no feature with an invalid slug.
pub struct NamedFeature(pub String);

impl TextField for NamedFeature {
    type Sent = String;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    fn text_schema() -> RefOr<Schema> {
        Slug::text_schema()
    }
}

body! {
    /// Body of `POST …/decisions`.
    pub struct AddDecision => CheckedAddDecision, Unknown::Ignored {
        /// The title: 1 to 200 characters.
        title: Title,
        /// The decision itself, at least 1 character.
        decision: SomeText,
        /// The reasons for it.
        rationale: Option<LongText>,
        /// The alternatives that were rejected.
        alternatives: Option<LongText>,
        /// The feature it is about.
        feature_slug "featureSlug": Option<NamedFeature>,
        /// The decision that it replaces.
        supersedes: Option<DecisionId>,
    }
}
