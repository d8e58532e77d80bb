//! What clients and nodes say to each other on `/ws`, beside the [events](crate::event).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Request {
    /// Follow a project.
    Join {
        /// Which.
        project_id: Uuid,
        /// Everything after this revision; from now on when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
    },
    /// The session is alive.
    Heartbeat,
    /// No longer follow the project.
    Leave,
}

/// What a node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Notice {
    /// The socket is open.
    Connected {
        /// Finds it in the logs.
        connection_id: Uuid,
    },
    /// The project is followed.
    Joined {
        /// As which session; none for those who may only read.
        session_id: Option<Uuid>,
        /// Which project.
        project_id: Uuid,
        /// What comes is later than this revision.
        revision: u64,
    },
    /// The project is no longer followed.
    Left {
        /// Which.
        project_id: Uuid,
    },
    /// History is gone that was asked for, or that this consumer was too late for. The project is not
    /// followed: fetch it anew, then join again.
    Compacted {
        /// Which project.
        project_id: Uuid,
        /// The oldest revision that is kept: join with `since` one below it to get all there is.
        oldest: u64,
    },
    /// A message was not carried out.
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
}

/// Why a message was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// It is none, or one with a wrong field.
    InvalidMessage,
    /// Not allowed.
    Forbidden,
    /// No project is followed, or no session acts in it.
    NotInProject,
}

/// Why a socket was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseCode {
    /// The client said so.
    Normal,
    /// The node is stopping, or cannot reach its cluster: go to another one.
    GoingAway,
    /// The key was revoked or expired.
    KeyInvalid,
    /// No longer a member of the project.
    NotMember,
    /// The consumer is too slow; it may resume.
    TooSlow,
    /// What was sent is not the protocol.
    BadProtocol,
}

impl CloseCode {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::KeyInvalid => 4001,
            Self::NotMember => 4003,
            Self::TooSlow => 4029,
            Self::BadProtocol => 4400,
        }
    }
}
