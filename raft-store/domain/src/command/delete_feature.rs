//! Deletes a draft, or a finished feature with all texts about it. Its author and leads may do this.

use crate::{
    decide::{Context, Decide, Decision, Facts, features::find},
    document::DocumentKey,
    entity::Status,
    erasure::Erasure,
    event::Event,
    ids::ProjectId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    short_text::Slug,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Deletes a feature that is a draft, done or cancelled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeleteFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature to delete.
    pub slug: Slug,
    /// Whether the client expects a done or cancelled feature, and not a draft. Any other status is refused.
    pub is_finished: bool,
}

impl Decide for DeleteFeature {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, ref slug, is_finished } = *self;
        let engineer = ctx.worker(project)?;
        let feature = find(ctx, project, slug)?;
        if is_finished {
            if !feature.status.is_over() {
                return Err(Refusal::NotFinished { slug: slug.clone(), status: feature.status.to_string() });
            }
            if feature.created_by != engineer.id {
                ctx.lead(project)?;
            }
        } else if feature.status != Status::Draft {
            return Err(Refusal::NotADraft { slug: slug.clone(), status: feature.status.to_string() });
        }
        let decision = Decision::new(vec![Event::FeatureDeleted(feature.clone())], Reply::Done)
            .with_document(DocumentKey::Spec(project, feature.id), None);
        // A draft that was ready before may have texts, too. Most have none, and deleted ranges slow reads down.
        let may_have_texts = !ctx.state.text_counts_of(project, Some(feature.id)).is_empty()
            || ctx.state.replaced_lists_of(project, feature.id).next().is_some()
            || ctx.state.has_decisions(project, 1);
        Ok(if may_have_texts {
            decision.erasing(Erasure::TextsOfFeature(project, feature.id))
        } else {
            decision
        })
    }
}
