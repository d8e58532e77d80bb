//! Releases a feature, unfinished, with all of its paths.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
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

/// Releases a picked feature, unfinished: it is ready again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReleaseFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature, which the actor must hold.
    pub slug: Slug,
}

impl Decide for ReleaseFeature {
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
        let (feature, holder, alive) = held_feature(ctx, project, slug, "ready")?;
        let ready = Arc::new(Feature {
            status: Status::Ready { interrupted_at: None },
            updated_at: ctx.wall(),
            ..Feature::clone(feature)
        });
        let reason = ReleaseReason::Released;
        let mut events = pick_ended(ctx, feature, holder, alive, &reason);
        events.push(Event::FeatureReleased { feature: ready.clone(), holder: holder.clone(), reason });
        Ok(Decision::new(events, Reply::Feature(ready)))
    }
}
