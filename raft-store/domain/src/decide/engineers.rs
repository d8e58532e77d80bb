//! Decides about engineers and their keys.

use super::{
    Context, Decision,
    access::{not_found, reader},
    projects,
};
use crate::{
    entity::{ApiKey, Engineer, Member, MemberRole, Role, TokenDigest},
    event::Event,
    ids::{EngineerId, KeyId},
    refusal::{Refusal, RegistrationRefusal, Thing},
    reply::Reply,
    settings::Registration,
    words::{Email, Name},
};
use std::sync::Arc;

/// Engineers of one cluster: bounds memory while registration is open.
const MAX_ENGINEERS: usize = 100_000;
/// Projects that an engineer leaves by being deleted: bounds the time of that entry.
const MAX_PLACES_TO_LEAVE: usize = 1_000;
/// Keys of one engineer.
const MAX_KEYS: usize = 100;

/// Makes an engineer with a first key; with the bootstrap token, the first admin.
pub(super) fn register(
    ctx: Context<'_>,
    id: EngineerId,
    name: &Name,
    email: &Email,
    key: &ApiKey,
    salt: Option<[u8; 16]>,
    bootstrap: Option<TokenDigest>,
) -> Result<Decision, Refusal> {
    let expected = ctx.state.origin.as_ref().and_then(|origin| origin.bootstrap);
    let role = match bootstrap {
        Some(digest) if Some(digest) == expected => Role::Admin,
        Some(_) => return Err(Refusal::RegistrationClosed(RegistrationRefusal::BootstrapToken)),
        None => match ctx.state.settings.registration {
            Registration::Open => Role::Engineer,
            // An admin registers whom they invite, and hands the key on.
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
    let key = ApiKey { engineer: id, created_at: ctx.wall(), ..key.clone() };
    let mut events = vec![Event::EngineerRegistered(engineer.clone()), Event::KeyAdded(Arc::new(key))];
    if role == Role::Admin {
        events.push(Event::BootstrapTokenUsed);
    }
    Ok(Decision::new(events, Reply::Registered { engineer, salt }))
}

/// Adds a key to one's own.
pub(super) fn add_key(ctx: Context<'_>, key: &ApiKey) -> Result<Decision, Refusal> {
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
    if let Some(project) = key.project {
        // For a project that its owner may see; the key itself need not be there yet.
        reader(ctx.state, engineer, &ApiKey { project: None, ..key.clone() }, project)?;
    }
    let key = Arc::new(ApiKey { engineer: engineer.id, created_at: ctx.wall(), ..key.clone() });
    Ok(Decision::new(vec![Event::KeyAdded(key.clone())], Reply::KeyAdded(key)))
}

/// Ends a key of one's own.
pub(super) fn revoke_key(ctx: Context<'_>, key: KeyId) -> Result<Decision, Refusal> {
    ctx.writer()?;
    let engineer = ctx.owner()?;
    let key = ctx.state.key_of(engineer.id, key).ok_or_else(|| not_found(Thing::Key, key))?;
    Ok(Decision::new(vec![Event::KeyRevoked(key.clone())], Reply::Done))
}

/// Takes an engineer out of the cluster: an admin may, and everybody for themselves. Their keys, places and sessions
/// go, and their name and address; what they made stays with its projects.
pub(super) fn delete(ctx: Context<'_>, engineer: EngineerId) -> Result<Decision, Refusal> {
    let asker = ctx.owner()?;
    if asker.id != engineer {
        ctx.admin()?;
    }
    let leaving = ctx.state.engineer(engineer).ok_or_else(|| not_found(Thing::Engineer, engineer))?;
    let other_admin =
        || ctx.state.engineers.values().any(|other| other.id != engineer && other.role == Role::Admin);
    if leaving.role == Role::Admin && !other_admin() {
        return Err(Refusal::Cluster("this is the last admin; make another one first".to_owned()));
    }
    let places: Vec<&Arc<Member>> = ctx
        .state
        .projects_of(engineer)
        .filter_map(|project| ctx.state.member(project.id, engineer))
        .collect();
    if places.len() > MAX_PLACES_TO_LEAVE {
        let what = "projects of an engineer who is deleted".to_owned();
        return Err(Refusal::TooMany { what, limit: MAX_PLACES_TO_LEAVE as u64 });
    }
    for place in &places {
        let mut members = ctx.state.members(place.project);
        let mut has_other_lead =
            || members.any(|other| other.engineer != engineer && other.role == MemberRole::Lead);
        if asker.role != Role::Admin && place.role == MemberRole::Lead && !has_other_lead() {
            let project = ctx.state.project(place.project).expect("a member is of a project that is there");
            return Err(Refusal::Cluster(format!(
                "you are the last lead of project {}; make another one first, or delete it",
                project.slug
            )));
        }
    }
    let sessions = places.iter().flat_map(|place| ctx.state.sessions_of(place.project, engineer));
    let (mut events, documents) = projects::sessions_ended(ctx, sessions);
    events.extend(places.iter().map(|place| Event::MemberRemoved(Arc::clone(place))));
    events.extend(ctx.state.keys_of(engineer).map(|key| Event::KeyRevoked(key.clone())));
    events.push(Event::EngineerDeleted(leaving.clone()));
    Ok(Decision::new(events, Reply::Done).with_documents(documents))
}

/// Changes an engineer's rights; the last admin stays one.
pub(super) fn change_role(ctx: Context<'_>, engineer: EngineerId, role: Role) -> Result<Decision, Refusal> {
    ctx.admin()?;
    let before = ctx.state.engineer(engineer).ok_or_else(|| not_found(Thing::Engineer, engineer))?;
    let other_admin =
        || ctx.state.engineers.values().any(|other| other.id != engineer && other.role == Role::Admin);
    if before.role == Role::Admin && role != Role::Admin && !other_admin() {
        return Err(Refusal::Cluster("this is the last admin; make another one first".to_owned()));
    }
    let after = Arc::new(Engineer { role, ..Engineer::clone(before) });
    Ok(Decision::new(vec![Event::RoleChanged(after.clone())], Reply::Engineer(after)))
}
