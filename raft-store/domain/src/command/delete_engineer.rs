//! Deletes an engineer: their API keys, memberships and sessions, their name and their address. What they wrote stays
//! with its projects. Admins may do this, and every engineer for themselves.

use crate::{
    cleanup::CleanupBudget,
    decide::{
        Context, Decide, Decision, Facts, access::not_found, engineer_deletion::end_sessions_and_memberships,
    },
    document::LogPosition,
    entity::{Member, MemberRole, Role},
    event::Event,
    ids::EngineerId,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::{OutOfBudget, WorkBudget},
};
use serde::{Deserialize, Serialize};

/// Steps of looking at one member of a project.
const MEMBER: usize = 50;

/// Deletes an engineer with their keys, memberships and sessions. Their work stays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeleteEngineer {
    /// The engineer to delete.
    pub engineer: EngineerId,
}

impl Decide for DeleteEngineer {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        // It iterates over the members of the engineer's projects.
        true
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        // Only the node that received it can retry it: the engineer has no API key any more.
        if ctx.is_engineer(self.engineer) { Ok(()) } else { ctx.admin().map(drop) }
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let engineer = self.engineer;
        let asker = ctx.owner()?;
        if asker.id != engineer {
            ctx.admin()?;
        }
        let leaving =
            ctx.state.engineer(engineer).ok_or_else(|| not_found(EntityKind::Engineer, engineer))?;
        if leaving.role == Role::Admin {
            ctx.another_admin_than(engineer)?;
        }
        // An admin can give the project another lead afterwards.
        if asker.role != Role::Admin {
            leaves_no_project_without_a_lead(ctx, engineer, work)?;
        }
        let mut budget = CleanupBudget::new(ctx.state.cleanup_limits);
        let ((mut events, documents), is_all) = end_sessions_and_memberships(
            ctx.state,
            engineer,
            LogPosition::of_command(ctx.revision),
            &mut budget,
        );
        events.extend(ctx.state.keys_of(engineer).map(|key| Event::KeyRevoked(key.clone())));
        events.push(Event::EngineerDeleted(leaving.clone()));
        events.extend((!is_all).then_some(Event::EngineerDeletionBegun(engineer)));
        Ok(Decision::new(events, Reply::Done).with_documents(documents))
    }
}

/// Refuses to leave a project without a lead.
fn leaves_no_project_without_a_lead(
    ctx: Context<'_>,
    engineer: EngineerId,
    work: &mut WorkBudget,
) -> Result<(), Refusal> {
    let mut look = || {
        work.charge(MEMBER).map_err(|OutOfBudget| {
            Refusal::too_much_work(
                "looking for other leads in all of your projects",
                "ask an admin to do this",
            )
        })
    };
    for project in ctx.state.projects_of(engineer) {
        look()?;
        let is_lead = |member: &Member| member.role == MemberRole::Lead;
        if !ctx.state.member(project.id, engineer).is_some_and(|member| is_lead(member)) {
            continue;
        }
        let mut has_other = false;
        for other in ctx.state.members(project.id) {
            look()?;
            let is_there = ctx.state.engineer(other.engineer).is_some();
            has_other = other.engineer != engineer && is_lead(other) && is_there;
            if has_other {
                break;
            }
        }
        if !has_other {
            return Err(Refusal::Cluster(format!(
                "you are the last lead of project {}; make another one first, or delete it",
                project.slug
            )));
        }
    }
    Ok(())
}
