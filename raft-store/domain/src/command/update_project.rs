//! Changes whether a project's paths are compared with or without case. Any member may switch to ignoring case, since
//! that member's file system does; only a lead may switch back. Refused while claims of two sessions would collide.

use crate::{
    decide::{Context, Decide, Decision, Facts, conflicts::conflict, iterates_many_claims},
    entity::Project,
    event::Event,
    ids::ProjectId,
    pattern::{Case, Pattern, SpelledIndex},
    refusal::{Conflict, MAX_LISTED, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::{ClaimRef, State},
    work::{OutOfBudget, WorkBudget},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Steps of adding one more claim to a rebuilt index, here and when the event is folded.
const CLAIM: usize = 800;

/// Changes how a project's paths are compared.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UpdateProject {
    /// The project to change.
    pub project: ProjectId,
    /// Whether names that differ in case alone are one file from now on.
    pub case: Case,
}

impl Decide for UpdateProject {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, state: &State) -> bool {
        iterates_many_claims(state, self.project)
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        match self.case {
            Case::Sensitive => ctx.lead(self.project).map(drop),
            Case::Insensitive => ctx.worker(self.project).map(drop),
        }
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, case } = *self;
        match case {
            Case::Insensitive => ctx.worker(project)?,
            Case::Sensitive => ctx.lead(project)?,
        };
        let before = ctx.state.project(project).expect("an engineer who works in a project sees it");
        if before.case == case {
            return Ok(Decision::new(Vec::new(), Reply::Project(before.clone())));
        }
        let conflicts = conflicts_by(ctx.state, project, case, work)?;
        if !conflicts.is_empty() {
            return Err(Refusal::FilesClaimed { conflicts });
        }
        let after = Arc::new(Project { case, updated_at: ctx.wall(), ..Project::clone(before) });
        Ok(Decision::new(vec![Event::ProjectUpdated(after.clone())], Reply::Project(after)))
    }
}

/// The first claims that would collide under this case rule.
fn conflicts_by(
    state: &State,
    project: ProjectId,
    case: Case,
    work: &mut WorkBudget,
) -> Result<Vec<Conflict>, Refusal> {
    let too_many = |OutOfBudget| {
        Refusal::too_much_work(
            "comparing all that is claimed anew",
            "wait until less is claimed, and try again",
        )
    };
    let mut index = SpelledIndex::new(case);
    for (key, claim) in state.claims_in(project) {
        // A glob is normalized three times: for the lookup, for this index, and for the index of the state.
        work.charge(CLAIM + index.steps_of_spelling(&key.path)).map_err(too_many)?;
        let is_in_the_way =
            |_: &Pattern, held: &ClaimRef| held.session != key.session && !claim.mode.tolerates(held.mode);
        let found = index.first_overlaps(&[&key.path], MAX_LISTED, work, is_in_the_way).map_err(too_many)?;
        if !found.is_empty() {
            return Ok(found.iter().map(|at| conflict(state, project, at)).collect());
        }
        index.insert(&key.path, ClaimRef { mode: claim.mode, session: key.session, feature: key.feature });
    }
    Ok(Vec::new())
}
