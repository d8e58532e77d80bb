//! Converts sessions to wire types.

use super::people::engineer;
use nexus_api_types::session as wire;
use nexus_domain::{State, entity::Session};

/// A session as a wire type.
pub(crate) fn session(state: &State, session: &Session) -> wire::Session {
    let text = |label: &Option<nexus_domain::short_text::Label>| label.as_ref().map(ToString::to_string);
    wire::Session {
        id: session.id.0,
        project_id: session.project.0,
        engineer_id: session.engineer.0,
        feature_id: session.feature.map(|feature| feature.0),
        status: if session.is_active() {
            wire::SessionStatus::Active
        } else {
            wire::SessionStatus::Disconnected
        },
        last_heartbeat: session.last_heartbeat.into(),
        metadata: wire::Metadata {
            git_branch: text(&session.metadata.git_branch),
            working_dir: text(&session.metadata.working_dir),
            client_version: text(&session.metadata.client_version),
        },
        created_at: session.created_at.into(),
        agent: session.agent.as_ref().map(ToString::to_string),
        expires_at: state.in_wall_time(session.lease.until()).into(),
    }
}

/// A session with its engineer; none if the engineer is deleted.
pub(crate) fn session_of(state: &State, found: &Session) -> Option<wire::SessionOf> {
    let owner = state.engineer(found.engineer)?;
    Some(wire::SessionOf { session: session(state, found), engineer: engineer(owner) })
}
