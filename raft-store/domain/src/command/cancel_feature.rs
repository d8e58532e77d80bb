//! Cancels a feature, whichever session holds it.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        features::{find, moved, transition},
        picks::pick_ended,
    },
    entity::{ReleaseReason, Status},
    ids::ProjectId,
    refusal::Refusal,
    rules::RulesVersion,
    short_text::Slug,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Cancels a feature that is not over, whichever session holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CancelFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature to cancel.
    pub slug: Slug,
}

impl Decide for CancelFeature {
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
        let Self { project, ref slug } = *self;
        ctx.worker(project)?;
        let feature = find(ctx, project, slug)?;
        if feature.status.is_over() {
            return Err(transition(feature, "cancelled"));
        }
        let mut decision = moved(ctx, feature, Status::Cancelled);
        if let Some(holder) = feature.holder() {
            let released = pick_ended(ctx, feature, holder, None, &ReleaseReason::Cancelled);
            decision.events.splice(..0, released);
        }
        Ok(decision)
    }
}
