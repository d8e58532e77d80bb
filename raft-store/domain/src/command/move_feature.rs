//! Moves a feature to a lane, with a given priority or to its end.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        features::{end_of, find},
        roadmap::Moves,
    },
    entity::Lane,
    ids::ProjectId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    short_text::Slug,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Moves a feature to a lane.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MoveFeature {
    /// The project of the feature.
    pub project: ProjectId,
    /// The feature to move.
    pub slug: Slug,
    /// The lane that it moves to.
    pub lane: Lane,
    /// Its priority in that lane, from 1; the lowest comes first. `None` means the end of the lane.
    pub priority: Option<u32>,
}

impl Decide for MoveFeature {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, ref slug, lane, priority } = *self;
        ctx.worker(project)?;
        let feature = find(ctx, project, slug)?;
        let is_last = || ctx.state.last_in_lane(project, lane).is_some_and(|last| last.id == feature.id);
        let priority = priority.unwrap_or_else(|| match is_last() {
            true => feature.priority,
            false => end_of(ctx, project, lane),
        });
        let mut moves = Moves { ctx, work, events: Vec::new() };
        let after = moves.put(feature, lane, priority)?;
        Ok(Decision::new(moves.events, Reply::Feature(after)))
    }
}
