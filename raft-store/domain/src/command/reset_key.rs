//! Gives an engineer a new API key in place of the former ones. Admins may do this for everybody; leads for the members
//! of their project, with a key for that project alone that ends by itself.
//!
//! The giver sees the key. So it must not open anything that the giver may not do already: a lead gives no key that is
//! accepted elsewhere, and none to an admin.

use crate::{
    command::NewApiKey,
    decide::{Context, Decide, Decision, Facts, access::not_found},
    entity::{ApiKey, Engineer, Role},
    event::Event,
    ids::{EngineerId, ProjectId},
    refusal::{EntityKind, KeyResetRefusal, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    time::Millis,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest life of a key that a lead gives. Its giver has seen it, and may not lead the project for ever.
const LONGEST_BY_LEAD: Millis = Millis(30 * 86_400_000);

/// Gives an engineer a new API key, and revokes those with the same scope.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResetKey {
    /// The engineer who gets the key.
    pub engineer: EngineerId,
    /// The new key.
    pub key: NewApiKey,
    /// Whether the engineer's other keys stay valid. Only an admin may ask for it.
    pub keeps_others: bool,
}

impl Decide for ResetKey {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::SECOND, grows: true, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        self.check_rights(ctx).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let giver = self.check_rights(ctx)?;
        let problem = |problem: &str| Refusal::SettingOutOfRange {
            setting: "expiresAt".to_owned(),
            problem: problem.to_owned(),
        };
        let mut key = self.key.owned_by(self.engineer, ctx.wall());
        if key.expires_at.is_some_and(|at| at <= ctx.wall()) {
            return Err(problem("must be in the future"));
        }
        if giver.role != Role::Admin {
            let latest = ctx.wall().after(LONGEST_BY_LEAD);
            if key.expires_at.is_some_and(|at| at > latest) {
                return Err(problem("must be within 30 days, for a key that a lead gives"));
            }
            key.expires_at.get_or_insert(latest);
        }
        let project = key.project;
        let ends = |other: &ApiKey| !self.keeps_others && (project.is_none() || other.project == project);
        let revoked: Vec<_> = ctx.state.keys_of(self.engineer).filter(|other| ends(other)).cloned().collect();
        super::add_key::check_new(ctx, self.engineer, &self.key, |other| !ends(other))?;
        let key = Arc::new(key);
        let mut events: Vec<Event> = revoked.into_iter().map(Event::KeyRevoked).collect();
        events.push(Event::KeyAdded(key.clone()));
        Ok(Decision::new(events, Reply::KeyAdded(key)))
    }
}

impl ResetKey {
    /// The engineer who gives the key, if they may give this one to this engineer.
    fn check_rights<'a>(&self, ctx: Context<'a>) -> Result<&'a Arc<Engineer>, Refusal> {
        ctx.writer()?;
        let giver = ctx.owner()?;
        if giver.id == self.engineer {
            return Err(Refusal::KeyReset(KeyResetRefusal::OwnKey));
        }
        if giver.role != Role::Admin {
            // Before anything is said about the engineer: strangers must not learn who exists.
            let project = self.key.project.ok_or(Refusal::KeyReset(KeyResetRefusal::LeadWithoutProject))?;
            ctx.lead(project)?;
            check_lead_may(ctx, project, self)?;
            return Ok(giver);
        }
        if ctx.state.engineer(self.engineer).is_none() {
            return Err(not_found(EntityKind::Engineer, self.engineer));
        }
        if let Some(project) = self.key.project {
            ctx.state.project(project).ok_or_else(|| not_found(EntityKind::Project, project))?;
        }
        Ok(giver)
    }
}

/// Checks what a lead may not do: give a key to somebody who is not in the project or is an admin, or leave the former
/// keys valid.
fn check_lead_may(ctx: Context<'_>, project: ProjectId, reset: &ResetKey) -> Result<(), Refusal> {
    let engineer = reset.engineer;
    let member = ctx.state.member(project, engineer).and_then(|_| ctx.state.engineer(engineer));
    let member = member.ok_or_else(|| not_found(EntityKind::Member, engineer))?;
    if member.role == Role::Admin {
        return Err(Refusal::KeyReset(KeyResetRefusal::AdminsKey));
    }
    if reset.keeps_others {
        return Err(Refusal::KeyReset(KeyResetRefusal::LeadKeepsOthers));
    }
    Ok(())
}
