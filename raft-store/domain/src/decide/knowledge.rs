//! Decides about learnings and decisions. Their texts are documents, which no rule reads.

use super::{Context, Decision, access::not_found, picking::find, quota::text_within_quota};
use crate::{
    command::NewDecision,
    document::{self, Document, DocumentKey, Learning, LogPosition},
    event::Event,
    ids::{LearningId, ProjectId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    short_text::Slug,
};
use std::sync::Arc;

/// Decisions of one project: bounds the memory for their ids.
const MAX_DECISIONS: usize = 100_000;

/// Stores a learning about a feature.
pub(super) fn add_learning(
    ctx: Context<'_>,
    project: ProjectId,
    slug: &Slug,
    id: LearningId,
    content: &Arc<str>,
) -> Result<Decision, Refusal> {
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
    Ok(Decision::new(vec![added], Reply::Text(key)).with_document(key, Some(Document::Learning(learning))))
}

/// Stores a decision.
pub(super) fn add_decision(
    ctx: Context<'_>,
    project: ProjectId,
    new: &NewDecision,
) -> Result<Decision, Refusal> {
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
