//! Adds an engineer to a project.

use crate::{
    decide::{Context, Decide, Decision, Facts, access::not_found, quota::within_quota},
    entity::{Member, MemberRole},
    event::Event,
    ids::{EngineerId, ProjectId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    usage::{MEMBER_BYTES, Usage},
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Adds an engineer to a project.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddMember {
    /// The project that gets a member.
    pub project: ProjectId,
    /// The engineer to add.
    pub engineer: EngineerId,
    /// The engineer's role in the project.
    pub role: MemberRole,
}

impl Decide for AddMember {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.lead(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, engineer, role } = *self;
        let lead = ctx.lead(project)?;
        if ctx.state.engineer(engineer).is_none() {
            return Err(not_found(EntityKind::Engineer, engineer));
        }
        if ctx.state.member(project, engineer).is_some() {
            return Err(Refusal::MemberExists);
        }
        within_quota(ctx, project, lead.id, Usage::of_memory(MEMBER_BYTES))?;
        let member = Arc::new(Member { project, engineer, role, added_by: lead.id, since: ctx.wall() });
        Ok(Decision::new(vec![Event::MemberAdded(member.clone())], Reply::Member(member)))
    }
}
