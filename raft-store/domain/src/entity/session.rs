//! Sessions: one run of one agent, alive for as long as it beats.

use crate::{
    entity::Holder,
    event::ReleaseReason,
    ids::{EngineerId, FeatureId, ProjectId, SessionId},
    short_text::{AgentName, Label},
    time::{ClusterTime, WallTime},
};
use serde::{Deserialize, Serialize};

/// Whether something beats for a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HeartbeatMode {
    /// Nothing ever beat for it: an old client, or a person. It lives long after its last request.
    Unattended,
    /// Something beats for it: it is lost soon after the last heartbeat. For good.
    Attended,
}

/// Whether a session is alive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LeaseState {
    /// Within its lease; disconnected at this moment unless renewed.
    Active {
        /// End of the lease.
        until: ClusterTime,
    },
    /// Silent for too long; its claims are released at this moment unless it beats again.
    Disconnected {
        /// End of the grace.
        until: ClusterTime,
    },
    /// Over: it acts no more, and what it held is given back by the next entries, since it is more than one may.
    Ending {
        /// Why.
        reason: ReleaseReason,
    },
}

impl LeaseState {
    /// The moment at which it changes by itself.
    pub const fn until(&self) -> ClusterTime {
        match self {
            Self::Active { until } | Self::Disconnected { until } => *until,
            // At once, before anything else.
            Self::Ending { .. } => ClusterTime(0),
        }
    }
}

/// What a client tells about the place it runs in.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SessionMetadata {
    /// Checked-out branch.
    pub git_branch: Option<Label>,
    /// Folder on the client's machine.
    pub working_dir: Option<Label>,
    /// Version of the client.
    pub client_version: Option<Label>,
}

/// One run of one agent, or the engineer's default session when it has no agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Identity.
    pub id: SessionId,
    /// Where it works.
    pub project: ProjectId,
    /// For whom it works.
    pub engineer: EngineerId,
    /// The agent's name.
    pub agent: Option<AgentName>,
    /// What it works on, as its client said or as its last pick.
    pub feature: Option<FeatureId>,
    /// About its client.
    pub metadata: SessionMetadata,
    /// Long or short lease.
    pub heartbeat_mode: HeartbeatMode,
    /// Alive or not, until when.
    pub lease: LeaseState,
    /// The last sign of life.
    pub last_heartbeat: WallTime,
    /// Start.
    pub created_at: WallTime,
}

impl Session {
    /// The session as a holder of features and files.
    pub fn holder(&self) -> Holder {
        Holder { session: self.id, engineer: self.engineer, agent: self.agent.clone() }
    }

    /// Whether it is within its lease.
    pub const fn is_active(&self) -> bool {
        matches!(self.lease, LeaseState::Active { .. })
    }

    /// Whether it acts no more.
    pub const fn is_ending(&self) -> bool {
        matches!(self.lease, LeaseState::Ending { .. })
    }
}
