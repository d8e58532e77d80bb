//! Deletes a project with everything in it. No client sees it any more; the next entries remove its rows, texts and
//! events.

use crate::{
    decide::{Context, Decide, Decision, Facts, project_deletion},
    event::Event,
    ids::ProjectId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Deletes a project with everything in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeleteProject {
    /// The project to delete.
    pub project: ProjectId,
}

impl Decide for DeleteProject {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        if ctx.state.project(self.project).is_some() {
            return ctx.lead(self.project).map(drop);
        }
        // The project does not exist any more, and the answer contains nothing of it.
        ctx.writer()?;
        ctx.owner().map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let project = self.project;
        ctx.lead(project)?;
        ctx.owner()?;
        let project = ctx.state.project(project).expect("an engineer who leads a project sees it");
        let deletion = project_deletion::begun(ctx.state, project, ctx.revision);
        Ok(Decision::new(vec![Event::ProjectDeleted(deletion)], Reply::Done))
    }
}
