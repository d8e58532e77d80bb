//! Completes a feature, and releases all of its paths.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        features::transition,
        picks::{held_feature, pick_ended},
    },
    entity::{Feature, ReleaseReason, Status},
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
use std::sync::Arc;

/// Completes a picked feature and releases its paths.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CompleteFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature, which the actor must hold.
    pub slug: Slug,
}

impl Decide for CompleteFeature {
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
        let (feature, holder, alive) = held_feature(ctx, project, slug, "done")?;
        let Status::Active { claimed_at, .. } = &feature.status else {
            return Err(transition(feature, "done"));
        };
        let done = Arc::new(Feature {
            status: Status::Done {
                holder: holder.clone(),
                claimed_at: *claimed_at,
                completed_at: ctx.wall(),
            },
            updated_at: ctx.wall(),
            ..Feature::clone(feature)
        });
        let mut events = pick_ended(ctx, feature, holder, alive, &ReleaseReason::Completed);
        events.push(Event::FeatureCompleted(done.clone()));
        Ok(Decision::new(events, Reply::Feature(done)))
    }
}
