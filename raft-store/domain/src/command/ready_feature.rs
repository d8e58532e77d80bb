//! Moves a draft to status ready.

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

/// Moves a draft to status ready.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadyFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature, which must be a draft.
    pub slug: Slug,
}

impl Decide for ReadyFeature {
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
            Status::Draft => Ok(moved(ctx, feature, Status::Ready { interrupted_at: None })),
            _ => Err(transition(feature, "ready")),
        }
    }
}
