//! Removes an engineer from a project, and ends their sessions in it. Leads may do this, and every engineer for
//! themselves. If it is too much for one entry, the next ones end the rest before they do anything else.

use crate::{
    decide::{Context, Decide, Decision, Facts, access::not_found, session_end::sessions_ended},
    entity::{MemberRole, Role},
    event::Event,
    ids::{EngineerId, ProjectId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};

/// Removes an engineer from a project and ends the engineer's sessions in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemoveMember {
    /// The project that loses a member.
    pub project: ProjectId,
    /// The engineer to remove.
    pub engineer: EngineerId,
}

impl Decide for RemoveMember {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        // The request itself took the actor's rights away. Its answer contains nothing more.
        if ctx.is_engineer(self.engineer) { ctx.writer().map(drop) } else { ctx.lead(self.project).map(drop) }
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, engineer } = *self;
        let asker = ctx.worker(project)?;
        if asker.id != engineer {
            ctx.lead(project)?;
        }
        let leaving =
            ctx.state.member(project, engineer).ok_or_else(|| not_found(EntityKind::Member, engineer))?;
        let other_lead = ctx.state.members(project).any(|other| {
            // A deleted engineer may still be listed for a moment.
            let is_there = || ctx.state.engineer(other.engineer).is_some();
            other.engineer != engineer && other.role == MemberRole::Lead && is_there()
        });
        if leaving.role == MemberRole::Lead && !other_lead && asker.role != Role::Admin {
            return Err(Refusal::Cluster(
                "this is the last lead of the project; make another one first".to_owned(),
            ));
        }
        let sessions = ctx.state.sessions_of(project, engineer);
        let (mut events, documents) = sessions_ended(ctx, sessions);
        events.push(Event::MemberRemoved(leaving.clone()));
        Ok(Decision::new(events, Reply::Done).with_documents(documents))
    }
}
