//! Moves a ready feature back to status draft.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        features::{find, moved, transition},
    },
    entity::Status,
    ids::ProjectId,
    refusal::Refusal,
    rules::RulesVersion,
    short_text::Slug,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Moves a ready feature back to status draft.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DraftFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The ready feature.
    pub slug: Slug,
}

impl Decide for DraftFeature {
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
        let Self { project, ref slug } = *self;
        ctx.worker(project)?;
        let feature = find(ctx, project, slug)?;
        match feature.status {
            Status::Ready { .. } => Ok(moved(ctx, feature, Status::Draft)),
            _ => Err(transition(feature, "draft")),
        }
    }
}
