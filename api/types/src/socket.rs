//! The messages on `/ws`, beside the [events](crate::event).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Request {
    /// Subscribes to the events of a project.
    Join {
        /// The project to subscribe to, by its id or slug.
        project_id: String,
        /// Sends everything after this revision; from now on when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
    },
    /// Renews the lease of the session.
    Heartbeat,
    /// Ends the subscription.
    Leave,
}

/// A message of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Notice {
    /// The socket is open.
    Connected {
        /// The id of the connection, which finds it in the logs.
        connection_id: Uuid,
    },
    /// The client is subscribed to the project.
    Joined {
        /// The session that the socket acts as; null for a caller that may only read.
        session_id: Option<Uuid>,
        /// The id of the project.
        project_id: Uuid,
        /// The events that follow are later than this revision.
        revision: u64,
    },
    /// The subscription has ended.
    Left {
        /// The id of the project.
        project_id: Uuid,
    },
    /// The events that should follow are no longer stored, and the subscription has ended. The client has to fetch the
    /// project again, and then join again.
    Compacted {
        /// The id of the project.
        project_id: Uuid,
        /// The oldest stored revision. Joining with `since` one below it gives all stored events.
        oldest: u64,
        /// Whether the events are lost, since the cluster was restored from an earlier state. `oldest` is then the
        /// first revision after that.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        reset: bool,
    },
    /// A message was not carried out.
    Error {
        /// The code, for programs.
        code: ErrorCode,
        /// The message, for people.
        message: String,
    },
}

/// Why a message was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The text is no message, or has a wrong field.
    InvalidMessage,
    /// The caller may not do that.
    Forbidden,
    /// The client is subscribed to no project, or no session acts in it.
    NotInProject,
}

/// Why a socket was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseCode {
    /// The client closed it.
    Normal,
    /// The node is stopping, or cannot reach its cluster. The client should connect to another one.
    GoingAway,
    /// The key was revoked or expired.
    KeyInvalid,
    /// The engineer is no longer a member of the project.
    NotMember,
    /// The client is too slow. It may resume.
    TooSlow,
    /// The client does not follow the protocol.
    BadProtocol,
}

impl CloseCode {
    /// All codes, for metrics that show each of them from the start.
    pub const ALL: [Self; 6] =
        [Self::Normal, Self::GoingAway, Self::KeyInvalid, Self::NotMember, Self::TooSlow, Self::BadProtocol];

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
