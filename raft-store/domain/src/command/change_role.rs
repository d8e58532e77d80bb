//! Changes an engineer's role. The last admin keeps that role.

use crate::{
    decide::{Context, Decide, Decision, Facts, access::not_found, session_end::sessions_ended},
    entity::{Engineer, Role},
    event::Event,
    ids::EngineerId,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Changes an engineer's role in the cluster. The last admin cannot lose that role.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChangeRole {
    /// The engineer whose role changes.
    pub engineer: EngineerId,
    /// The new role.
    pub role: Role,
}

impl Decide for ChangeRole {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        // The request itself took the actor's rights away. Its answer contains nothing more.
        if ctx.is_engineer(self.engineer) { ctx.owner().map(drop) } else { ctx.admin().map(drop) }
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { engineer, role } = *self;
        ctx.admin()?;
        let before = ctx.state.engineer(engineer).ok_or_else(|| not_found(EntityKind::Engineer, engineer))?;
        let was_admin = before.role == Role::Admin && role != Role::Admin;
        if was_admin {
            ctx.another_admin_than(engineer)?;
        }
        let after = Arc::new(Engineer { role, ..Engineer::clone(before) });
        let mut decision = Decision::new(vec![Event::RoleChanged(after.clone())], Reply::Engineer(after));
        if was_admin {
            // An admin works in every project, another engineer only as a member.
            let elsewhere = ctx
                .state
                .sessions_by(engineer)
                .filter(|session| ctx.state.member(session.project, engineer).is_none());
            let (events, documents) = sessions_ended(ctx, elsewhere);
            decision.events.extend(events);
            decision = decision.with_documents(documents);
        }
        Ok(decision)
    }
}
