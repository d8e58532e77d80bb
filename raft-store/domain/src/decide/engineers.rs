//! Decides about engineers and their API keys.

use super::{
    Context, Decision,
    access::{not_found, reader},
    cleanup::CleanupBudget,
    conflicts::too_much,
    engineer_deletion, projects,
};
use crate::{
    command::NewApiKey,
    document::LogPosition,
    entity::{ApiKey, Engineer, Member, MemberRole, Role, TokenDigest},
    event::Event,
    ids::{EngineerId, KeyId},
    refusal::{EntityKind, Refusal, RegistrationRefusal},
    reply::Reply,
    settings::Registration,
    short_text::{Email, Name},
    work::{OutOfBudget, WorkBudget},
};
use std::sync::Arc;

/// Engineers of one cluster: bounds memory while registration is open.
const MAX_ENGINEERS: usize = 100_000;
/// Steps of looking at one member of a project.
const MEMBER: usize = 50;
/// API keys of one engineer.
const MAX_KEYS: usize = 100;

/// Registers an engineer with a first API key; with the bootstrap token, the first admin.
pub(super) fn register(
    ctx: Context<'_>,
    id: EngineerId,
    name: &Name,
    email: &Email,
    key: &NewApiKey,
    salt: Option<[u8; 16]>,
    bootstrap: Option<TokenDigest>,
) -> Result<Decision, Refusal> {
    let expected = ctx.state.origin.as_ref().and_then(|origin| origin.bootstrap);
    let role = match bootstrap {
        Some(digest) if Some(digest) == expected => Role::Admin,
        Some(_) => return Err(Refusal::RegistrationClosed(RegistrationRefusal::BootstrapToken)),
        None => match ctx.state.settings.registration {
            Registration::Open => Role::Engineer,
            // An admin registers the engineers whom they invite, and passes the key on.
            Registration::Invite => ctx
                .admin()
                .map(|_| Role::Engineer)
                .map_err(|_| Refusal::RegistrationClosed(RegistrationRefusal::InviteOnly))?,
            Registration::Closed => return Err(Refusal::RegistrationClosed(RegistrationRefusal::Closed)),
        },
    };
    if ctx.state.emails.contains_key(email) {
        return Err(Refusal::EmailTaken(email.clone()));
    }
    if ctx.state.engineers.len() >= MAX_ENGINEERS {
        return Err(Refusal::TooMany { what: "engineers".to_owned(), limit: MAX_ENGINEERS as u64 });
    }
    if ctx.state.api_keys.contains_key(&key.prefix) {
        return Err(Refusal::KeyPrefixTaken);
    }
    let engineer =
        Arc::new(Engineer { id, name: name.clone(), email: email.clone(), role, created_at: ctx.wall() });
    let key = key.owned_by(id, ctx.wall());
    let mut events = vec![Event::EngineerRegistered(engineer.clone()), Event::KeyAdded(Arc::new(key))];
    if role == Role::Admin {
        events.push(Event::BootstrapTokenUsed);
    }
    Ok(Decision::new(events, Reply::Registered { engineer, salt }))
}

/// Adds an API key to the actor's own keys.
pub(super) fn add_key(ctx: Context<'_>, key: &NewApiKey) -> Result<Decision, Refusal> {
    ctx.writer()?;
    let engineer = ctx.owner()?;
    if ctx.state.keys_of(engineer.id).count() >= MAX_KEYS {
        return Err(Refusal::TooMany { what: "API keys of one engineer".to_owned(), limit: MAX_KEYS as u64 });
    }
    if ctx.state.api_keys.contains_key(&key.prefix) {
        return Err(Refusal::KeyPrefixTaken);
    }
    if key.expires_at.is_some_and(|at| at <= ctx.wall()) {
        let (setting, problem) = ("expiresAt".to_owned(), "must be in the future".to_owned());
        return Err(Refusal::SettingOutOfRange { setting, problem });
    }
    let key = key.owned_by(engineer.id, ctx.wall());
    if let Some(project) = key.project {
        // The owner must see the project. The key need not be stored yet.
        reader(ctx.state, engineer, &ApiKey { project: None, ..key.clone() }, project)?;
    }
    let key = Arc::new(key);
    Ok(Decision::new(vec![Event::KeyAdded(key.clone())], Reply::KeyAdded(key)))
}

/// Revokes one of the actor's own API keys.
pub(super) fn revoke_key(ctx: Context<'_>, key: KeyId) -> Result<Decision, Refusal> {
    ctx.writer()?;
    let engineer = ctx.owner()?;
    let key = ctx.state.key_of(engineer.id, key).ok_or_else(|| not_found(EntityKind::Key, key))?;
    Ok(Decision::new(vec![Event::KeyRevoked(key.clone())], Reply::Done))
}

/// Deletes an engineer: their API keys, memberships and sessions, their name and their address. What they wrote stays
/// with its projects. Admins may do this, and every engineer for themselves.
pub(super) fn delete(
    ctx: Context<'_>,
    engineer: EngineerId,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    let asker = ctx.owner()?;
    if asker.id != engineer {
        ctx.admin()?;
    }
    let leaving = ctx.state.engineer(engineer).ok_or_else(|| not_found(EntityKind::Engineer, engineer))?;
    let other_admin =
        || ctx.state.engineers.values().any(|other| other.id != engineer && other.role == Role::Admin);
    if leaving.role == Role::Admin && !other_admin() {
        return Err(Refusal::Cluster("this is the last admin; make another one first".to_owned()));
    }
    // An admin can give the project another lead afterwards.
    if asker.role != Role::Admin {
        leaves_no_project_without_a_lead(ctx, engineer, work)?;
    }
    let mut budget = CleanupBudget::new(ctx.state.cleanup_limits);
    let ((mut events, documents), is_all) = engineer_deletion::end_sessions_and_memberships(
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

/// Refuses to leave a project without a lead.
fn leaves_no_project_without_a_lead(
    ctx: Context<'_>,
    engineer: EngineerId,
    work: &mut WorkBudget,
) -> Result<(), Refusal> {
    let mut look = || {
        work.charge(MEMBER).map_err(|OutOfBudget| {
            too_much("looking for other leads in all of your projects", "ask an admin to do this")
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

/// Changes an engineer's role. The last admin keeps that role.
pub(super) fn change_role(ctx: Context<'_>, engineer: EngineerId, role: Role) -> Result<Decision, Refusal> {
    ctx.admin()?;
    let before = ctx.state.engineer(engineer).ok_or_else(|| not_found(EntityKind::Engineer, engineer))?;
    let other_admin =
        || ctx.state.engineers.values().any(|other| other.id != engineer && other.role == Role::Admin);
    if before.role == Role::Admin && role != Role::Admin && !other_admin() {
        return Err(Refusal::Cluster("this is the last admin; make another one first".to_owned()));
    }
    let after = Arc::new(Engineer { role, ..Engineer::clone(before) });
    let mut decision = Decision::new(vec![Event::RoleChanged(after.clone())], Reply::Engineer(after));
    if before.role == Role::Admin && role != Role::Admin {
        // An admin works in every project, another engineer only as a member.
        let elsewhere = ctx
            .state
            .sessions_by(engineer)
            .filter(|session| ctx.state.member(session.project, engineer).is_none());
        let (events, documents) = projects::sessions_ended(ctx, elsewhere);
        decision.events.extend(events);
        decision = decision.with_documents(documents);
    }
    Ok(decision)
}
