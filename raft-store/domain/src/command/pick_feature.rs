//! Picks a feature by name, with all of its paths.

use crate::{
    decide::{
        Context, Decide, Decision, Facts, are_expensive,
        conflicts::{conflicts, holder_note},
        dependencies::open_dependencies,
        features::{find, transition},
        picks::{may_take, picked},
        sessions::acting_session,
    },
    entity::{ClaimMode, Status},
    ids::ProjectId,
    refusal::{MAX_LISTED, Refusal},
    rules::RulesVersion,
    short_text::Slug,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Picks a ready feature and claims all of its paths, or changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PickFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature to pick.
    pub slug: Slug,
}

impl Decide for PickFeature {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, state: &State) -> bool {
        state
            .feature_by_slug(self.project, &self.slug)
            .is_some_and(|feature| are_expensive(feature.touches.iter().chain(&*feature.reads)))
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, ref slug } = *self;
        let engineer = ctx.worker(project)?;
        let feature = find(ctx, project, slug)?;
        let (session, alive) = acting_session(ctx, engineer, project)?;
        match &feature.status {
            Status::Ready { .. } => {}
            Status::Active { holder, .. } => {
                let by = Box::new(holder_note(ctx.state, holder));
                return Err(Refusal::FeatureClaimed { slug: slug.clone(), by });
            }
            _ => return Err(transition(feature, "active")),
        }
        let open = open_dependencies(ctx.state, feature, work)?;
        if !open.is_empty() {
            return Err(Refusal::DependenciesOpen { slug: slug.clone(), open });
        }
        may_take(ctx, &session, feature)?;
        let wanted = [(&*feature.touches, ClaimMode::Exclusive), (&*feature.reads, ClaimMode::Shared)];
        let conflicts = conflicts(ctx.state, project, wanted, Some(session.id), MAX_LISTED, work)?;
        if !conflicts.is_empty() {
            return Err(Refusal::FilesClaimed { conflicts });
        }
        Ok(picked(ctx, feature, session, alive))
    }
}
