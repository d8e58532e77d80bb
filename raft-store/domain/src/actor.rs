//! The actor of a command: the identity whose rights are checked, and the session on whose behalf it acts.

use crate::ids::{EngineerId, KeyId, SessionId};
use serde::{Deserialize, Serialize};

/// The identity behind a command, as the node that received it has authenticated it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Actor {
    /// The cluster itself: its ticks, heartbeats and membership.
    System,
    /// A client without an API key.
    Anonymous,
    /// An engineer with an API key.
    Engineer {
        /// The engineer who owns the key.
        id: EngineerId,
        /// The key that was used. The command is refused if the key was revoked before the entry is applied.
        key: KeyId,
    },
}

/// The session on whose behalf an engineer acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Acting {
    /// The named session and no other one.
    Session(SessionId),
    /// The engineer's default session in the project. Apply creates it if it does not exist.
    Engineer {
        /// The id that a default session gets if apply has to create one.
        candidate: SessionId,
    },
}
