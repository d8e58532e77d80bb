//! Ends one of the engineer's own sessions.

use crate::{
    cleanup::CleanupBudget,
    decide::{Context, Decide, Decision, Facts, session_end},
    document::LogPosition,
    entity::ReleaseReason,
    ids::{ProjectId, SessionId},
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Ends a session at once and releases everything that it holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndSession {
    /// The project of the session.
    pub project: ProjectId,
    /// The session, which must belong to the actor.
    pub session: SessionId,
}

impl Decide for EndSession {
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
        let Self { project, session: id } = *self;
        let engineer = ctx.worker(project)?;
        let session = ctx.own_session(engineer, project, id)?;
        let position = LogPosition::of_command(ctx.revision);
        let mut budget = CleanupBudget::new(ctx.state.cleanup_limits);
        let (events, documents) =
            session_end::ended(ctx.state, session, &ReleaseReason::SessionEnded, position, &mut budget);
        Ok(Decision::new(events, Reply::Session(session.clone())).with_documents(documents))
    }
}
