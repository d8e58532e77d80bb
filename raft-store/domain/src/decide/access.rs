//! Who may do what. Decided against the replicated state, so that a right that was taken away
//! is gone at the same entry on every node.

use super::Context;
use crate::{
    command::{Acting, Actor},
    entity::{ApiKey, Engineer, Member, MemberRole, Project, Role, Session},
    ids::{EngineerId, KeyId, ProjectId, SessionId},
    refusal::{EntityKind, Refusal},
    state::State,
    time::WallTime,
};
use std::sync::Arc;

/// The engineer behind a key that is valid at this moment.
///
/// # Errors
/// [`Refusal::KeyRevoked`] when the key is gone or expired.
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

/// Whether an engineer may see a project: its members and admins may.
///
/// # Errors
/// When there is no such project, or the engineer is a stranger to it, or the key is for another.
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

/// Whether somebody may write at all, with this key.
///
/// # Errors
/// When the role or the key is for reading only.
pub fn may_write(engineer: &Engineer, key: &ApiKey) -> Result<(), Refusal> {
    if engineer.role == Role::Readonly {
        return Err(Refusal::RoleTooLow { role: Role::Readonly });
    }
    if key.readonly {
        return Err(Refusal::KeyReadonly);
    }
    Ok(())
}

/// Whether somebody may do what only admins may, with a key that is for everything.
///
/// # Errors
/// When the role is another one, or the key a narrower one.
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

/// Whether what an engineer asks with this key is a sign of life of a session. One rule for reads, writes and sockets:
/// only of an own session, and only by whom and with what the session could work, so that a read-only key keeps no
/// claims.
pub fn keeps_alive(state: &State, engineer: &Engineer, key: &ApiKey, session: &Session) -> bool {
    session.engineer == engineer.id
        && reader(state, engineer, key, session.project).is_ok()
        && may_write(engineer, key).is_ok()
}

/// A refusal for something that is not there.
pub fn not_found(kind: EntityKind, name: impl ToString) -> Refusal {
    Refusal::NotFound { kind, name: name.to_string() }
}

impl<'a> Context<'a> {
    /// The engineer who asks, with a key that is valid, be it for reading only.
    pub(super) fn identified(&self) -> Result<(&'a Arc<Engineer>, &'a Arc<ApiKey>), Refusal> {
        match self.actor {
            Actor::Engineer { id, key } => engineer_with_key(self.state, id, key, self.wall()),
            Actor::Anonymous | Actor::System => Err(Refusal::KeyRevoked),
        }
    }

    /// The engineer who asks, if writing is allowed at all.
    pub(super) fn writer(&self) -> Result<&'a Arc<Engineer>, Refusal> {
        let (engineer, key) = self.identified()?;
        may_write(engineer, key)?;
        Ok(engineer)
    }

    /// The engineer who asks, if an unrestricted key is used: a narrow key must not make a wider one.
    pub(super) fn owner(&self) -> Result<&'a Arc<Engineer>, Refusal> {
        let (engineer, key) = self.identified()?;
        if key.readonly {
            return Err(Refusal::KeyReadonly);
        }
        if key.project.is_some() {
            return Err(Refusal::KeyOutOfScope);
        }
        Ok(engineer)
    }

    /// The engineer who asks, if an admin; the cluster itself may do what an admin may.
    pub(super) fn admin(&self) -> Result<Option<&'a Arc<Engineer>>, Refusal> {
        if self.actor == Actor::System {
            return Ok(None);
        }
        let engineer = self.owner()?;
        if engineer.role != Role::Admin {
            return Err(Refusal::RoleTooLow { role: engineer.role });
        }
        Ok(Some(engineer))
    }

    /// The engineer who asks, if writing in this project is allowed.
    pub(super) fn worker(&self, project: ProjectId) -> Result<&'a Arc<Engineer>, Refusal> {
        let (engineer, key) = self.identified()?;
        reader(self.state, engineer, key, project)?;
        may_write(engineer, key)?;
        Ok(engineer)
    }

    /// The engineer who asks, if a lead of this project or an admin.
    pub(super) fn lead(&self, project: ProjectId) -> Result<&'a Arc<Engineer>, Refusal> {
        let engineer = self.worker(project)?;
        let leads =
            self.state.member(project, engineer.id).is_some_and(|member| member.role == MemberRole::Lead);
        if !leads && engineer.role != Role::Admin {
            return Err(Refusal::MemberRoleTooLow { needed: MemberRole::Lead });
        }
        Ok(engineer)
    }

    /// A session of the engineer who asks, in this project.
    pub(super) fn own_session(
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

    /// The session that the engineer named; none when acting as the engineer.
    pub(super) fn named_session(
        &self,
        engineer: &Engineer,
        project: ProjectId,
    ) -> Result<Option<&'a Arc<Session>>, Refusal> {
        match self.acting {
            Acting::Session(id) => self.own_session(engineer, project, id).map(Some),
            Acting::Engineer { .. } => Ok(None),
        }
    }
}
