//! Engineers and their API keys. The state never holds a key itself, only its hash.

use crate::{
    ids::{EngineerId, KeyId, ProjectId},
    short_text::{Email, Label, Name},
    time::WallTime,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The role of an engineer in the whole cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Role {
    /// May do everything, in all projects, and operate the cluster.
    Admin,
    /// May create projects, and work in the projects that they are a member of.
    Engineer,
    /// May only read.
    Readonly,
}

impl Role {
    /// The role's name, as people and clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Engineer => "engineer",
            Self::Readonly => "readonly",
        }
    }
}

/// A person with API keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Engineer {
    /// The engineer's id.
    pub id: EngineerId,
    /// The name that people see.
    pub name: Name,
    /// The e-mail address, unique in the cluster.
    pub email: Email,
    /// The role in the cluster.
    pub role: Role,
    /// The wall time of the registration.
    pub created_at: WallTime,
}

/// The first 64 bits of the SHA-256 of an API key. They find the one hash to verify.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyPrefix(pub u64);

/// SHA-256 of a token with 256 random bits. Such a token cannot be guessed, so it needs no slow hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenDigest(pub [u8; 32]);

/// One API key of an engineer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    /// The key's id.
    pub id: KeyId,
    /// The engineer who owns it.
    pub engineer: EngineerId,
    /// The lookup prefix, unique in the cluster.
    pub prefix: KeyPrefix,
    /// The Argon2id hash of the key, as a PHC string.
    pub hash: Arc<str>,
    /// The owner's own label.
    pub label: Label,
    /// The wall time from which on it is not accepted; `None` if it never expires.
    pub expires_at: Option<WallTime>,
    /// The only project that it is accepted for; `None` if it is accepted for all.
    pub project: Option<ProjectId>,
    /// Whether it is accepted for reading only.
    pub readonly: bool,
    /// The wall time at which it was created.
    pub created_at: WallTime,
}

impl ApiKey {
    /// Whether the key has expired at this wall time.
    pub fn is_expired(&self, now: WallTime) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
