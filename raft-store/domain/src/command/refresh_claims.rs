//! Renews the lease, and returns the paths that the session holds.

use crate::{
    decide::{Context, Decide, Decision, Facts, sessions::acting_session},
    ids::ProjectId,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Renews the session's lease and returns the paths that it still holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// The project of the session.
    pub project: ProjectId,
}

impl Decide for RefreshClaims {
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
        let project = self.project;
        let engineer = ctx.worker(project)?;
        let (session, alive) = acting_session(ctx, engineer, project)?;
        let paths = ctx.state.paths_of(&session);
        Ok(Decision::new(vec![alive], Reply::Held { session: Arc::new(session), paths }))
    }
}
