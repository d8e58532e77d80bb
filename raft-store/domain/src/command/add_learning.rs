//! Stores a learning about a feature. Its text is a document, which no rule reads.

use crate::{
    decide::{Context, Decide, Decision, Facts, features::find, quota::text_within_quota},
    document::{Document, DocumentKey, Learning, LogPosition},
    event::Event,
    ids::{LearningId, ProjectId},
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    short_text::Slug,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Stores something that was learned while working on a feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddLearning {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature that the learning is about.
    pub slug: Slug,
    /// The learning's id.
    pub id: LearningId,
    /// The text of the learning.
    pub content: Arc<str>,
}

impl Decide for AddLearning {
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
        let Self { project, ref slug, id, ref content } = *self;
        let engineer = ctx.worker(project)?;
        let feature = find(ctx, project, slug)?;
        let learning = Arc::new(Learning {
            id,
            feature: feature.id,
            engineer: engineer.id,
            content: content.clone(),
            created_at: ctx.wall(),
        });
        text_within_quota(ctx, project, engineer.id, &Document::Learning(learning.clone()))?;
        let key = DocumentKey::Learning(project, feature.id, LogPosition::of_command(ctx.revision));
        let added = Event::LearningAdded { feature: feature.clone(), learning: learning.clone() };
        Ok(Decision::new(vec![added], Reply::Text(key))
            .with_document(key, Some(Document::Learning(learning))))
    }
}
