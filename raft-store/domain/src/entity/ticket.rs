//! Tickets: a browser, which cannot send a header with a WebSocket, sends a ticket instead of its API key.

use crate::{
    entity::TokenDigest,
    ids::{EngineerId, KeyId, SessionId},
    time::ClusterTime,
};
use serde::{Deserialize, Serialize};

/// Allows its bearer to open one event socket, at any node, as the engineer who requested it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// The SHA-256 of the ticket.
    pub digest: TokenDigest,
    /// The engineer who requested it.
    pub engineer: EngineerId,
    /// The API key that it stands for. When the key is revoked, the ticket and its socket end, too.
    pub key: KeyId,
    /// The session that its socket acts as; `None` means the default session.
    pub session: Option<SessionId>,
    /// The cluster time from which on it is not accepted.
    pub expires: ClusterTime,
}
