//! Rights to send a command: roles, members and API keys.

use super::{
    outcome::Outcome,
    world::{Key, World},
};
use nexus_domain::{
    Actor, EngineerId, ProjectId,
    entity::{MemberRole, Role},
    refusal::EntityKind,
};
use std::fmt::Display;

/// A refusal of this kind without any field.
pub(super) fn refused(kind: &str) -> Outcome {
    Outcome::of_kind(&format!("refused: {kind}"))
}

pub(super) fn not_found(kind: EntityKind, name: impl Display) -> Outcome {
    refused("not found").is("what", format!("{} {name}", kind.name()))
}

fn role_too_low(role: Role) -> Outcome {
    refused("role too low").is("role", role.name())
}

/// The engineer whose valid key was used, with role and key.
pub(super) fn identified(world: &World, actor: Actor) -> Result<(EngineerId, Role, &Key), Outcome> {
    let Actor::Engineer { id, key } = actor else { return Err(refused("key revoked")) };
    let (Some(engineer), Some(key)) = (world.engineers.get(&id), world.keys.get(&(id, key))) else {
        return Err(refused("key revoked"));
    };
    if key.expires_at.is_some_and(|at| at <= world.wall) {
        return Err(refused("key revoked"));
    }
    Ok((id, engineer.role, key))
}

fn may_write(role: Role, key: &Key) -> Result<(), Outcome> {
    if role == Role::Readonly {
        return Err(role_too_low(role));
    }
    if key.is_readonly {
        return Err(refused("key readonly"));
    }
    Ok(())
}

/// Refuses an engineer who may not see a project with a key that is accepted for `scope`.
pub(super) fn sees(
    world: &World,
    (engineer, role): (EngineerId, Role),
    scope: Option<ProjectId>,
    project: ProjectId,
) -> Result<(), Outcome> {
    if !world.projects.contains_key(&project) {
        return Err(not_found(EntityKind::Project, project));
    }
    if scope.is_some_and(|scope| scope != project) {
        return Err(refused("key out of scope"));
    }
    if role != Role::Admin && !world.members.contains_key(&(project, engineer)) {
        return Err(refused("not a member"));
    }
    Ok(())
}

/// The engineer, who may write.
pub(super) fn writer(world: &World, actor: Actor) -> Result<EngineerId, Outcome> {
    let (id, role, key) = identified(world, actor)?;
    may_write(role, key)?;
    Ok(id)
}

/// The engineer, whose key is for everything.
pub(super) fn owner(world: &World, actor: Actor) -> Result<EngineerId, Outcome> {
    let (id, _, key) = identified(world, actor)?;
    if key.is_readonly {
        return Err(refused("key readonly"));
    }
    if key.project.is_some() {
        return Err(refused("key out of scope"));
    }
    Ok(id)
}

/// Refuses everyone but admins and the cluster itself.
pub(super) fn admin(world: &World, actor: Actor) -> Result<(), Outcome> {
    if actor == Actor::System {
        return Ok(());
    }
    let role = world.engineers[&owner(world, actor)?].role;
    if role == Role::Admin { Ok(()) } else { Err(role_too_low(role)) }
}

/// The engineer, who may write in this project.
pub(super) fn worker(world: &World, actor: Actor, project: ProjectId) -> Result<EngineerId, Outcome> {
    let (id, role, key) = identified(world, actor)?;
    sees(world, (id, role), key.project, project)?;
    may_write(role, key)?;
    Ok(id)
}

/// The engineer, who leads this project or is an admin.
pub(super) fn lead(world: &World, actor: Actor, project: ProjectId) -> Result<EngineerId, Outcome> {
    let id = worker(world, actor, project)?;
    let leads = world.members.get(&(project, id)).is_some_and(|member| member.role == MemberRole::Lead);
    if leads || world.engineers[&id].role == Role::Admin {
        return Ok(id);
    }
    Err(refused("member role too low").is("needed", MemberRole::Lead.name()))
}

/// Refuses everyone but the cluster itself.
pub(super) fn system(actor: Actor) -> Result<(), Outcome> {
    if actor == Actor::System { Ok(()) } else { Err(role_too_low(Role::Engineer)) }
}
