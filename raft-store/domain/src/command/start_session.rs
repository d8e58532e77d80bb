//! Starts a session, or renews the living session of the same agent.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        access::not_found,
        sessions::{new_session, renewal, renewed, require_not_ending},
    },
    entity::SessionMetadata,
    event::Event,
    ids::{FeatureId, ProjectId, SessionId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    short_text::AgentName,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Starts a session, or returns the living session of the same agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StartSession {
    /// The project that the session works in.
    pub project: ProjectId,
    /// The id that the session gets if apply creates one.
    pub id: SessionId,
    /// The agent's name. `None` means the engineer's default session.
    pub agent: Option<AgentName>,
    /// The feature that the session works on.
    pub feature: Option<FeatureId>,
    /// The client's description of itself.
    pub metadata: SessionMetadata,
}

impl Decide for StartSession {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, id, ref agent, feature, ref metadata } = *self;
        let agent = agent.as_ref();
        let engineer = ctx.worker(project)?;
        if let Some(feature) = feature
            && ctx.state.feature(project, feature).is_none()
        {
            return Err(not_found(EntityKind::Feature, feature));
        }
        let before = ctx.state.session_of(project, engineer.id, agent);
        before.map_or(Ok(()), |session| require_not_ending(session))?;
        let mut session = match before {
            Some(session) => renewed(ctx.state, session, false),
            None => new_session(ctx, project, engineer, id, agent)?,
        };
        session.feature = feature.or(session.feature);
        if *metadata != SessionMetadata::default() {
            session.metadata = metadata.clone();
        }
        let event = match before {
            Some(before) => renewal(before, session.clone()),
            None => Event::SessionStarted(Arc::new(session.clone())),
        };
        Ok(Decision::new(vec![event], Reply::Session(Arc::new(session))))
    }
}
