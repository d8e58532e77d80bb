//! Moves features to the heads of lanes, with priorities from 1 in the given order. The other features of these lanes
//! follow in their former order.

use crate::{
    decide::{Context, Decide, Decision, Facts, features::find, roadmap::Moves},
    entity::{Feature, Lane},
    ids::{FeatureId, ProjectId},
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    short_text::Slug,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

/// Moves features to the heads of lanes, in the given order: all of them or none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReorderRoadmap {
    /// The project of the features.
    pub project: ProjectId,
    /// The features by lane, each lane at most once.
    pub lanes: Vec<(Lane, Vec<Slug>)>,
}

impl Decide for ReorderRoadmap {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        // It iterates over features.
        true
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, ref lanes } = *self;
        ctx.worker(project)?;
        let mut named = BTreeSet::new();
        let mut heads: Vec<(Lane, Vec<&Arc<Feature>>)> = Vec::with_capacity(lanes.len());
        for (lane, slugs) in lanes {
            let head: Vec<&Arc<Feature>> =
                slugs.iter().map(|slug| find(ctx, project, slug)).collect::<Result<_, _>>()?;
            if let Some(twice) = head.iter().find(|feature| !named.insert(feature.id)) {
                return Err(Refusal::NamedTwice(twice.slug.clone()));
            }
            heads.push((*lane, head));
        }
        let mut moves = Moves { ctx, work, events: Vec::new() };
        for (lane, head) in heads {
            let others = others_of(ctx, project, lane, &named);
            for (feature, priority) in head.into_iter().chain(others).zip(1_u32..) {
                moves.put(feature, lane, priority)?;
            }
        }
        Ok(Decision::new(moves.events, Reply::Done))
    }
}

/// The features of a lane that are not among the named ones, in their order.
fn others_of<'a>(
    ctx: Context<'a>,
    project: ProjectId,
    lane: Lane,
    named: &BTreeSet<FeatureId>,
) -> impl Iterator<Item = &'a Arc<Feature>> {
    ctx.state.features_in_lane(project, lane).filter(move |feature| !named.contains(&feature.id))
}
