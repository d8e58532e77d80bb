//! Checks rights against the replicated state, so that a right that was revoked ends at the same entry on every node.

use super::context::Context;
use crate::{
    actor::{Acting, Actor},
    entity::{ApiKey, Engineer, Member, MemberRole, Project, Role, Session},
    ids::{EngineerId, KeyId, ProjectId, SessionId},
    refusal::{EntityKind, Refusal},
    state::State,
    time::WallTime,
};
use std::sync::Arc;

/// The engineer and the API key, if the key is valid at this wall time.
///
/// # Errors
/// [`Refusal::KeyRevoked`] if the key was revoked or has expired.
pub fn engineer_with_key(
    state: &State,
    id: EngineerId,
    key: KeyId,
    now: WallTime,
) -> Result<(&Arc<Engineer>, &Arc<ApiKey>), Refusal> {
    let engineer = state.engineer(id).ok_or(Refusal::KeyRevoked)?;
    let key = state.key_of(id, key).ok_or(Refusal::KeyRevoked)?;
    if key.is_expired(now) {
        return Err(Refusal::KeyRevoked);
    }
    Ok((engineer, key))
}

/// Checks that an engineer may see a project. Its members and admins may.
///
/// # Errors
/// If the project does not exist, the engineer is not a member, or the key is restricted to another project.
pub fn reader<'a>(
    state: &'a State,
    engineer: &Engineer,
    key: &ApiKey,
    project: ProjectId,
) -> Result<(&'a Arc<Project>, Option<&'a Arc<Member>>), Refusal> {
    let found = state.project(project).ok_or_else(|| not_found(EntityKind::Project, project))?;
    if key.project.is_some_and(|scope| scope != project) {
        return Err(Refusal::KeyOutOfScope);
    }
    let member = state.member(project, engineer.id);
    if member.is_none() && engineer.role != Role::Admin {
        return Err(Refusal::NotProjectMember);
    }
    Ok((found, member))
}

/// Checks that an engineer may write with this key.
///
/// # Errors
/// If the role or the key is read-only.
pub fn may_write(engineer: &Engineer, key: &ApiKey) -> Result<(), Refusal> {
    if engineer.role == Role::Readonly {
        return Err(Refusal::RoleTooLow { role: Role::Readonly });
    }
    if key.readonly {
        return Err(Refusal::KeyReadonly);
    }
    Ok(())
}

/// Checks that an engineer is an admin, with an unrestricted key.
///
/// # Errors
/// If the role is another one, or the key is read-only or restricted to a project.
pub fn admin(engineer: &Engineer, key: &ApiKey) -> Result<(), Refusal> {
    if engineer.role != Role::Admin {
        return Err(Refusal::RoleTooLow { role: engineer.role });
    }
    if key.readonly {
        return Err(Refusal::KeyReadonly);
    }
    if key.project.is_some() {
        return Err(Refusal::KeyOutOfScope);
    }
    Ok(())
}

/// Whether a request with this key renews the lease of a session. Reads, writes and sockets share this rule: the
/// session must belong to the engineer, and the key must allow writes in its project. So a read-only key keeps no
/// claims alive.
pub fn keeps_alive(state: &State, engineer: &Engineer, key: &ApiKey, session: &Session) -> bool {
    session.engineer == engineer.id
        && reader(state, engineer, key, session.project).is_ok()
        && may_write(engineer, key).is_ok()
}

/// The refusal for an entity that does not exist.
pub fn not_found(kind: EntityKind, name: impl ToString) -> Refusal {
    Refusal::NotFound { kind, name: name.to_string() }
}

impl<'a> Context<'a> {
    /// The actor, if its API key is valid; a read-only key is enough.
    pub(crate) fn identified(&self) -> Result<(&'a Arc<Engineer>, &'a Arc<ApiKey>), Refusal> {
        match self.actor {
            Actor::Engineer { id, key } => engineer_with_key(self.state, id, key, self.wall()),
            Actor::Anonymous | Actor::System => Err(Refusal::KeyRevoked),
        }
    }

    /// The actor, if it may write.
    pub(crate) fn writer(&self) -> Result<&'a Arc<Engineer>, Refusal> {
        let (engineer, key) = self.identified()?;
        may_write(engineer, key)?;
        Ok(engineer)
    }

    /// The actor, if its API key is unrestricted: a restricted key must not create a wider one.
    pub(crate) fn owner(&self) -> Result<&'a Arc<Engineer>, Refusal> {
        let (engineer, key) = self.identified()?;
        if key.readonly {
            return Err(Refusal::KeyReadonly);
        }
        if key.project.is_some() {
            return Err(Refusal::KeyOutOfScope);
        }
        Ok(engineer)
    }

    /// The actor, if it is an admin; `None` for the cluster itself, which may do the same.
    pub(crate) fn admin(&self) -> Result<Option<&'a Arc<Engineer>>, Refusal> {
        if self.actor == Actor::System {
            return Ok(None);
        }
        let engineer = self.owner()?;
        if engineer.role != Role::Admin {
            return Err(Refusal::RoleTooLow { role: engineer.role });
        }
        Ok(Some(engineer))
    }

    /// The actor, if it may write in this project.
    pub(crate) fn worker(&self, project: ProjectId) -> Result<&'a Arc<Engineer>, Refusal> {
        let (engineer, key) = self.identified()?;
        reader(self.state, engineer, key, project)?;
        may_write(engineer, key)?;
        Ok(engineer)
    }

    /// The actor, if it is a lead of this project or an admin.
    pub(crate) fn lead(&self, project: ProjectId) -> Result<&'a Arc<Engineer>, Refusal> {
        let engineer = self.worker(project)?;
        let leads =
            self.state.member(project, engineer.id).is_some_and(|member| member.role == MemberRole::Lead);
        if !leads && engineer.role != Role::Admin {
            return Err(Refusal::MemberRoleTooLow { needed: MemberRole::Lead });
        }
        Ok(engineer)
    }

    /// The session with this id, if it belongs to the engineer and the project, and is not ending.
    pub(crate) fn own_session(
        &self,
        engineer: &Engineer,
        project: ProjectId,
        id: SessionId,
    ) -> Result<&'a Arc<Session>, Refusal> {
        let session = self.state.session(id).ok_or_else(|| not_found(EntityKind::Session, id))?;
        if session.engineer != engineer.id {
            return Err(Refusal::ForeignSession(id));
        }
        if session.project != project || session.is_ending() {
            return Err(not_found(EntityKind::Session, id));
        }
        Ok(session)
    }

    /// The session that the request names; `None` if it names none.
    pub(crate) fn named_session(
        &self,
        engineer: &Engineer,
        project: ProjectId,
    ) -> Result<Option<&'a Arc<Session>>, Refusal> {
        match self.acting {
            Acting::Session(id) => self.own_session(engineer, project, id).map(Some),
            Acting::Engineer { .. } => Ok(None),
        }
    }

    /// Refuses everyone but the cluster itself.
    pub(crate) fn system(&self) -> Result<(), Refusal> {
        match self.actor {
            Actor::System => Ok(()),
            Actor::Anonymous | Actor::Engineer { .. } => Err(Refusal::RoleTooLow { role: Role::Engineer }),
        }
    }

    /// Refuses to let the last admin go.
    pub(crate) fn another_admin_than(&self, engineer: EngineerId) -> Result<(), Refusal> {
        let is_other_admin = |other: &Arc<Engineer>| other.id != engineer && other.role == Role::Admin;
        if self.state.engineers.values().any(is_other_admin) {
            return Ok(());
        }
        Err(Refusal::Cluster("this is the last admin; make another one first".to_owned()))
    }
}
