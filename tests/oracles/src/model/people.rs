//! Engineers, API keys, members, projects and settings, as far as they decide what others may do.

use super::{
    outcome::{Outcome, held},
    paths::collide,
    rights::{admin, identified, lead, not_found, owner, refused, sees, system, worker, writer},
    sessions::{MEMBER_REMOVED, end},
    usage::{owners, within},
    world::{Amount, Engineer, Key, Member, Project, World},
};
use nexus_domain::{
    EngineerId, ProjectId, Proposal, SessionId, Settings,
    command::{
        AddKey, AddMember, ChangeRole, CreateProject, FormCluster, NewApiKey, RegisterEngineer, RemoveMember,
        RevokeKey, UpdateProject, UpdateSettings,
    },
    entity::{MemberRole, Role},
    pattern::Case,
    refusal::EntityKind,
    settings::Registration,
};

const MAX_KEYS: usize = 100;
const MAX_KEYS_FOR_PROJECT: usize = 10;
/// The version of the rules from which on keys for one project have a limit of their own.
const KEYS_BY_PROJECT: u16 = 3;

pub(super) fn form(
    world: &mut World,
    proposal: &Proposal,
    command: &FormCluster,
) -> Result<Outcome, Outcome> {
    system(proposal.actor)?;
    if world.is_formed {
        return Err(refused("cluster"));
    }
    world.is_formed = true;
    world.bootstrap = command.origin.bootstrap;
    Ok(Outcome::of_kind("done"))
}

pub(super) fn update_settings(
    world: &mut World,
    proposal: &Proposal,
    command: &UpdateSettings,
) -> Result<Outcome, Outcome> {
    admin(world, proposal.actor)?;
    let settings = world.settings.with(&command.patch);
    let quotas = &settings.quotas;
    let (month, terabyte, megabyte) = (30 * 24 * 3_600_000, 1 << 40, 1 << 20);
    let ranges = [
        ("session.timeout", settings.session_timeout.0, 100, month),
        ("session.unattended", settings.session_unattended.0, 100, month),
        ("replies.age", settings.reply_age.0, 100, month),
        ("events.age", settings.event_age.0, 100, month),
        ("session.grace", settings.session_grace.0, 0, month),
        ("events.revisions", settings.event_revisions, 1_000, 10_000_000),
        ("replies.count", settings.replies, 100, 1_000_000),
        ("quota.project.memory", quotas.project_memory, megabyte, terabyte),
        ("quota.project.texts", quotas.project_texts, megabyte, terabyte),
        ("quota.engineer.memory", quotas.engineer_memory, megabyte, terabyte),
        ("quota.engineer.texts", quotas.engineer_texts, megabyte, terabyte),
        ("quota.cluster.memory", quotas.cluster_memory, megabyte, terabyte),
        ("quota.cluster.texts", quotas.cluster_texts, megabyte, terabyte),
        ("events.bytes", settings.event_bytes, megabyte, terabyte),
        ("quota.engineer.projects", quotas.engineer_projects, 0, 10_000),
    ];
    for (setting, value, from, to) in ranges {
        if !(from..=to).contains(&value) {
            return Err(refused("setting out of range").is("setting", setting));
        }
    }
    world.settings = settings;
    Ok(settings_outcome(&world.settings))
}

fn settings_outcome(settings: &Settings) -> Outcome {
    Outcome::of_kind("settings").is("settings", format!("{settings:?}"))
}

pub(super) fn register(
    world: &mut World,
    proposal: &Proposal,
    command: &RegisterEngineer,
) -> Result<Outcome, Outcome> {
    let closed = |why: &str| Err(refused("registration closed").is("why", why));
    let role = match (command.bootstrap, world.settings.registration) {
        (Some(digest), _) if Some(digest) == world.bootstrap => Role::Admin,
        (Some(_), _) => return closed("BootstrapToken"),
        (None, Registration::Open) => Role::Engineer,
        (None, Registration::Invite) if admin(world, proposal.actor).is_ok() => Role::Engineer,
        (None, Registration::Invite) => return closed("InviteOnly"),
        (None, Registration::Closed) => return closed("Closed"),
    };
    let email = command.email.to_string();
    if world.engineers.values().any(|other| other.email == email) {
        return Err(refused("email taken").is("email", email));
    }
    if has_prefix(world, &command.key) {
        return Err(refused("key prefix taken"));
    }
    if role == Role::Admin {
        world.bootstrap = None;
    }
    world.engineers.insert(command.id, Engineer { email, role });
    put_key(world, command.id, &command.key);
    Ok(Outcome::of_kind("registered").is("engineer", command.id).is("role", role.name()))
}

fn has_prefix(world: &World, key: &NewApiKey) -> bool {
    world.keys.values().any(|other| other.prefix == key.prefix)
}

/// Adds a key without any check.
pub(super) fn put_key(world: &mut World, engineer: EngineerId, key: &NewApiKey) {
    let NewApiKey { id, prefix, expires_at, project, readonly, .. } = *key;
    let expires_at = expires_at.map(|at| at.0);
    world.keys.insert((engineer, id), Key { prefix, expires_at, project, is_readonly: readonly });
}

/// Checks that an engineer may have one more key beside those that stay, and that its prefix is free.
pub(super) fn check_new_key(
    world: &World,
    engineer: EngineerId,
    key: &NewApiKey,
    stays: impl Fn(&Key) -> bool,
) -> Result<(), Outcome> {
    let is_by_project = world.rules >= KEYS_BY_PROJECT;
    let counts = |other: &Key| stays(other) && (!is_by_project || other.project == key.project);
    let limit = if is_by_project && key.project.is_some() { MAX_KEYS_FOR_PROJECT } else { MAX_KEYS };
    let own = world.keys.iter().filter(|((of, _), other)| *of == engineer && counts(other));
    if own.count() >= limit {
        return Err(refused("too many").is("limit", limit));
    }
    if has_prefix(world, key) {
        return Err(refused("key prefix taken"));
    }
    Ok(())
}

pub(super) fn add_key(world: &mut World, proposal: &Proposal, command: &AddKey) -> Result<Outcome, Outcome> {
    let key = &command.key;
    writer(world, proposal.actor)?;
    let engineer = owner(world, proposal.actor)?;
    check_new_key(world, engineer, key, |_| true)?;
    if key.expires_at.is_some_and(|at| at.0 <= world.wall) {
        return Err(refused("setting out of range").is("setting", "expiresAt"));
    }
    if let Some(project) = key.project {
        sees(world, (engineer, world.engineers[&engineer].role), None, project)?;
    }
    put_key(world, engineer, key);
    Ok(Outcome::of_kind("key added").is("key", key.id).is("owner", engineer))
}

pub(super) fn revoke_key(
    world: &mut World,
    proposal: &Proposal,
    command: &RevokeKey,
) -> Result<Outcome, Outcome> {
    writer(world, proposal.actor)?;
    let engineer = owner(world, proposal.actor)?;
    match world.keys.remove(&(engineer, command.key)) {
        Some(_) => Ok(Outcome::of_kind("done")),
        None => Err(not_found(EntityKind::Key, command.key)),
    }
}

pub(super) fn change_role(
    world: &mut World,
    proposal: &Proposal,
    command: &ChangeRole,
) -> Result<Outcome, Outcome> {
    let ChangeRole { engineer, role } = *command;
    admin(world, proposal.actor)?;
    let Some(before) = world.engineers.get(&engineer) else {
        return Err(not_found(EntityKind::Engineer, engineer));
    };
    let was_admin = before.role == Role::Admin && role != Role::Admin;
    let is_other_admin = |(id, other): (&EngineerId, &Engineer)| *id != engineer && other.role == Role::Admin;
    if was_admin && !world.engineers.iter().any(is_other_admin) {
        return Err(refused("cluster"));
    }
    world.engineers.get_mut(&engineer).expect("it was found just now").role = role;
    if was_admin {
        let elsewhere: Vec<SessionId> = sessions_of(world, engineer)
            .filter(|(_, project)| !world.members.contains_key(&(*project, engineer)))
            .map(|(id, _)| id)
            .collect();
        elsewhere.into_iter().for_each(|id| end(world, id, MEMBER_REMOVED));
    }
    Ok(Outcome::of_kind("engineer").is("engineer", engineer).is("role", role.name()))
}

fn sessions_of(world: &World, engineer: EngineerId) -> impl Iterator<Item = (SessionId, ProjectId)> {
    let of = world.sessions.values().filter(move |session| session.engineer == engineer);
    of.map(|session| (session.id, session.project))
}

pub(super) fn create_project(
    world: &mut World,
    proposal: &Proposal,
    command: &CreateProject,
) -> Result<Outcome, Outcome> {
    let engineer = writer(world, proposal.actor)?;
    owner(world, proposal.actor)?;
    let slug = command.slug.to_string();
    if world.projects.values().any(|project| project.slug == slug) {
        return Err(refused("slug taken").is("what", format!("project {slug}")));
    }
    within(world, owners(command.id, engineer), Amount::PROJECT)?;
    let project = Project { slug, created_by: engineer, case: Case::Sensitive };
    world.projects.insert(command.id, project);
    let lead = Member { role: MemberRole::Lead, added_by: engineer };
    world.members.insert((command.id, engineer), lead);
    Ok(project_outcome(command.id, Case::Sensitive))
}

fn project_outcome(id: ProjectId, case: Case) -> Outcome {
    Outcome::of_kind("project").is("project", id).is("case", case.name())
}

pub(super) fn update_project(
    world: &mut World,
    proposal: &Proposal,
    command: &UpdateProject,
) -> Result<Outcome, Outcome> {
    let UpdateProject { project, case } = *command;
    match case {
        Case::Insensitive => worker(world, proposal.actor, project)?,
        Case::Sensitive => lead(world, proposal.actor, project)?,
    };
    if world.projects[&project].case != case {
        // Which of the collisions is named is left open.
        let claims = || world.claims.iter().filter(|claim| claim.project == project);
        let collides = claims().any(|one| {
            claims().any(|other| {
                one.session != other.session
                    && (one.is_exclusive || other.is_exclusive)
                    && collide(one.path.as_str(), other.path.as_str(), case)
            })
        });
        if collides {
            let all = claims().map(|claim| held(claim.path.as_str(), claim.session));
            return Err(Outcome::of_kind("refused: files claimed").any_of("conflicts", all));
        }
        world.projects.get_mut(&project).expect("the worker sees it").case = case;
    }
    Ok(project_outcome(project, case))
}

pub(super) fn add_member(
    world: &mut World,
    proposal: &Proposal,
    command: &AddMember,
) -> Result<Outcome, Outcome> {
    let AddMember { project, engineer, role } = *command;
    let added_by = lead(world, proposal.actor, project)?;
    if !world.engineers.contains_key(&engineer) {
        return Err(not_found(EntityKind::Engineer, engineer));
    }
    if world.members.contains_key(&(project, engineer)) {
        return Err(refused("member exists"));
    }
    within(world, owners(project, added_by), Amount::MEMBER)?;
    world.members.insert((project, engineer), Member { role, added_by });
    Ok(Outcome::of_kind("member").is("engineer", engineer).is("role", role.name()))
}

pub(super) fn remove_member(
    world: &mut World,
    proposal: &Proposal,
    command: &RemoveMember,
) -> Result<Outcome, Outcome> {
    let RemoveMember { project, engineer } = *command;
    let asker = worker(world, proposal.actor, project)?;
    if asker != engineer {
        lead(world, proposal.actor, project)?;
    }
    let Some(leaving) = world.members.get(&(project, engineer)) else {
        return Err(not_found(EntityKind::Member, engineer));
    };
    let leads = |member: &Member| member.role == MemberRole::Lead;
    let has_other_lead =
        world.members.iter().any(|((of, id), other)| *of == project && *id != engineer && leads(other));
    let (_, role, _) = identified(world, proposal.actor)?;
    if leads(leaving) && !has_other_lead && role != Role::Admin {
        return Err(refused("cluster"));
    }
    let here = sessions_of(world, engineer).filter(|(_, of)| *of == project).map(|(id, _)| id);
    here.collect::<Vec<_>>().into_iter().for_each(|id| end(world, id, MEMBER_REMOVED));
    world.members.remove(&(project, engineer));
    Ok(Outcome::of_kind("done"))
}
