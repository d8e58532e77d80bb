//! Sessions: one run of one agent, which lives as long as its lease is renewed.

use crate::{
    entity::{Holder, ReleaseReason},
    ids::{EngineerId, FeatureId, ProjectId, SessionId},
    short_text::{AgentName, Label},
    time::{ClusterTime, WallTime},
};
use serde::{Deserialize, Serialize};

/// Whether a client sends heartbeats for a session. It decides between the long and the short lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HeartbeatMode {
    /// No heartbeat was ever sent: the client is old, or a person. Requests renew the long lease, of two hours by
    /// default.
    Unattended,
    /// A heartbeat was sent once. From then on the session has the short lease, of 90 seconds by default.
    Attended,
}

/// The state of a session's lease.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaseState {
    /// The lease runs.
    Active {
        /// The cluster time at which the session is disconnected unless it is renewed.
        until: ClusterTime,
    },
    /// The lease ran out, and the grace runs. The session still holds its claims, and any request brings it back.
    Disconnected {
        /// The cluster time at which its claims are released.
        until: ClusterTime,
    },
    /// The session is over and can do nothing more. The next entries release what it held, which is too much for one.
    Ending {
        /// The reason that the releases record.
        reason: ReleaseReason,
    },
}

impl LeaseState {
    /// The cluster time at which the state changes without a renewal.
    pub const fn until(&self) -> ClusterTime {
        match self {
            Self::Active { until } | Self::Disconnected { until } => *until,
            // The next entry continues the release at once.
            Self::Ending { .. } => ClusterTime(0),
        }
    }
}

/// A client's description of where it runs. All of it is for people.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SessionMetadata {
    /// The checked-out branch.
    pub git_branch: Option<Label>,
    /// The working directory on the client's machine.
    pub working_dir: Option<Label>,
    /// The version of the client.
    pub client_version: Option<Label>,
    /// A name that its engineer gave it.
    pub name: Option<Label>,
}

/// Characters of a name in a [`SessionNote`]: thousands of claims repeat it.
const MAX_NOTED: usize = 64;

/// A session as people recognise it, by names that are cut to a few characters, and the kind of its lease.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionNote {
    /// The name that its engineer gave it.
    pub name: Option<Label>,
    /// The name of its working directory, without the folders above it.
    pub folder: Option<Label>,
    /// The checked-out branch.
    pub branch: Option<Label>,
    /// Whether it has the long or the short lease.
    pub heartbeat_mode: HeartbeatMode,
}

impl SessionNote {
    /// The first characters of a name; `None` if it is empty.
    pub fn name(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.chars().take(MAX_NOTED).collect())
    }

    /// The last part of a path of any system, as a [`name`](Self::name).
    pub fn folder(path: &str) -> Option<String> {
        let path = path.trim_end_matches(['/', '\\']);
        Self::name(path.rsplit(['/', '\\']).next().unwrap_or(path))
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        [&self.name, &self.folder, &self.branch].into_iter().flatten().map(|label| label.as_str().len()).sum()
    }
}

/// One run of one agent, or an engineer's default session, which has no agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// The project that it works in.
    pub project: ProjectId,
    /// The engineer that it works for.
    pub engineer: EngineerId,
    /// The agent's name; `None` for the engineer's default session.
    pub agent: Option<AgentName>,
    /// The feature that it works on: the one that its client named, or its last pick.
    pub feature: Option<FeatureId>,
    /// Its client's description of itself.
    pub metadata: SessionMetadata,
    /// Whether it has the long or the short lease.
    pub heartbeat_mode: HeartbeatMode,
    /// The state of its lease.
    pub lease: LeaseState,
    /// The wall time of the last heartbeat or request.
    pub last_heartbeat: WallTime,
    /// The wall time at which it was started.
    pub created_at: WallTime,
}

impl Session {
    /// The session as a holder of features and files.
    pub fn holder(&self) -> Holder {
        Holder { session: self.id, engineer: self.engineer, agent: self.agent.clone() }
    }

    /// Its description for people, with the kind of its lease.
    pub fn note(&self) -> SessionNote {
        let label = |shown: Option<String>| Label::parse(&shown?).ok();
        let SessionMetadata { git_branch, working_dir, name, .. } = &self.metadata;
        SessionNote {
            name: label(name.as_ref().and_then(|name| SessionNote::name(name.as_str()))),
            folder: label(working_dir.as_ref().and_then(|path| SessionNote::folder(path.as_str()))),
            branch: label(git_branch.as_ref().and_then(|branch| SessionNote::name(branch.as_str()))),
            heartbeat_mode: self.heartbeat_mode,
        }
    }

    /// Whether its lease runs.
    pub const fn is_active(&self) -> bool {
        matches!(self.lease, LeaseState::Active { .. })
    }

    /// Whether it is over, while its claims are still being released.
    pub const fn is_ending(&self) -> bool {
        matches!(self.lease, LeaseState::Ending { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_noted_by_its_last_part_and_never_at_length() {
        let parts = ["/work/app/", "C:\\work\\app", "app", "/", ""].map(SessionNote::folder);
        assert_eq!(
            parts.each_ref().map(Option::as_deref),
            [Some("app"), Some("app"), Some("app"), None, None]
        );
        let long = SessionNote::folder(&"ü".repeat(2_048)).map(|name| name.chars().count());
        assert_eq!(long, Some(MAX_NOTED));
    }
}
