//! Stores a decision about a project. Its text is a document, which no rule reads.

use crate::{
    decide::{Context, Decide, Decision, Facts, access::not_found, features::find, quota::text_within_quota},
    document::{self, Document, DocumentKey, LogPosition},
    event::Event,
    ids::{DecisionId, ProjectId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    short_text::{Slug, Title},
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Decisions of one project: bounds the memory for their ids.
const MAX_DECISIONS: usize = 100_000;

/// Stores a decision about a project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddDecision {
    /// The project that the decision is about.
    pub project: ProjectId,
    /// The decision. Boxed, since it is much larger than other commands.
    pub decision: Box<NewDecision>,
}

/// A decision about a project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewDecision {
    /// The decision's id.
    pub id: DecisionId,
    /// The feature that it is about. `None` means the whole project.
    pub feature: Option<Slug>,
    /// One line for people.
    pub title: Title,
    /// The decision, in Markdown.
    pub decision: Arc<str>,
    /// The reasons for it.
    pub rationale: Option<Arc<str>>,
    /// The alternatives that were rejected.
    pub alternatives: Option<Arc<str>>,
    /// An earlier decision of the same project that this one replaces.
    pub supersedes: Option<DecisionId>,
}

impl Decide for AddDecision {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, decision: ref new } = *self;
        let engineer = ctx.worker(project)?;
        let feature = new.feature.as_ref().map(|slug| find(ctx, project, slug)).transpose()?;
        if let Some(superseded) = new.supersedes
            && ctx.state.decision(project, superseded).is_none()
        {
            return Err(not_found(EntityKind::Decision, superseded));
        }
        if ctx.state.has_decisions(project, MAX_DECISIONS) {
            return Err(Refusal::TooMany {
                what: "decisions of one project".to_owned(),
                limit: MAX_DECISIONS as u64,
            });
        }
        let position = LogPosition::of_command(ctx.revision);
        let decision = Arc::new(document::Decision {
            id: new.id,
            project,
            feature: feature.map(|feature| (feature.id, feature.slug.clone())),
            engineer: engineer.id,
            title: new.title.clone(),
            decision: new.decision.clone(),
            rationale: new.rationale.clone(),
            alternatives: new.alternatives.clone(),
            supersedes: new.supersedes,
            created_at: ctx.wall(),
            position,
        });
        text_within_quota(ctx, project, engineer.id, &Document::Decision(decision.clone()))?;
        let key = DocumentKey::Decision(project, position);
        let mut made = Decision::new(vec![Event::DecisionAdded(decision.clone())], Reply::Text(key))
            .with_document(key, Some(Document::Decision(decision)));
        if let Some(feature) = feature {
            let about = DocumentKey::DecisionAbout(project, feature.id, position);
            made = made.with_document(about, Some(Document::Mark));
        }
        Ok(made)
    }
}
