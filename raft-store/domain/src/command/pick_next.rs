//! Picks the first feature of the board that the session can pick, among those that the budget allows to look at.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        conflicts::blocker,
        dependencies::STEPS_OF_FEATURE,
        picks::{may_take, picked},
        sessions::acting_session,
    },
    entity::Lane,
    ids::ProjectId,
    refusal::{Blocked, MAX_LISTED, Refusal},
    rules::RulesVersion,
    state::State,
    work::{OutOfBudget, WorkBudget},
};
use serde::{Deserialize, Serialize};

/// Ready features that one pick-next checks, if its budget allows. If this many are blocked, something must be released
/// first.
const MAX_CANDIDATES: usize = 1_000;

/// Picks the first ready feature, by lane and priority, whose paths and dependencies allow it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PickNext {
    /// The project to pick from.
    pub project: ProjectId,
    /// The lanes to look at. Empty means all lanes, the icebox last.
    pub lanes: Vec<Lane>,
}

impl Decide for PickNext {
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
        let engineer = ctx.worker(project)?;
        let (session, alive) = acting_session(ctx, engineer, project)?;
        let wanted = |lane: &Lane| lanes.is_empty() || lanes.contains(lane);
        let mut blocked = Vec::new();
        let lanes = Lane::ALL.into_iter().filter(wanted);
        let candidates = lanes.flat_map(|lane| ctx.state.ready_in_lane(project, lane));
        for feature in candidates.take(MAX_CANDIDATES) {
            let looked_at = work.charge(STEPS_OF_FEATURE).map_err(|OutOfBudget| too_many_candidates());
            match looked_at.and_then(|()| blocker(ctx.state, feature, Some(session.id), work)) {
                Ok(None) => {
                    may_take(ctx, &session, feature)?;
                    return Ok(picked(ctx, feature, session, alive));
                }
                Ok(Some(by)) if blocked.len() < MAX_LISTED => {
                    blocked.push(Blocked { slug: feature.slug.clone(), by });
                }
                Ok(Some(_)) => {}
                Err(_) => return Err(too_many_candidates()),
            }
        }
        Err(Refusal::NothingAvailable { blocked })
    }
}

fn too_many_candidates() -> Refusal {
    Refusal::too_much_work(
        "looking at the ready features one after the other, with all of their paths",
        "pick one by name, or name fewer lanes",
    )
}
