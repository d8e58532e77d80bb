//! Tickets: what a browser, which cannot send a header with a WebSocket, shows instead of its key.

use crate::{
    entity::TokenDigest,
    ids::{EngineerId, KeyId, SessionId},
    time::ClusterTime,
};
use serde::{Deserialize, Serialize};

/// Lets its bearer open one event socket, through whichever node, as the engineer who asked for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// Digest of the ticket.
    pub digest: TokenDigest,
    /// Whose.
    pub engineer: EngineerId,
    /// The key that it stands for: with it, the ticket and its socket end.
    pub key: KeyId,
    /// The session that its socket acts as; none is the default one.
    pub session: Option<SessionId>,
    /// Not accepted from this moment on.
    pub expires: ClusterTime,
}
