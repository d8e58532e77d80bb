//! Engineers and their API keys. Never holds a key itself, only its hash.

use crate::{
    ids::{EngineerId, KeyId, ProjectId},
    short_text::{Email, Label, Name},
    time::WallTime,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What an engineer may do in the whole cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Everything, cluster operations included.
    Admin,
    /// Everything in one's own projects.
    Engineer,
    /// Reading only.
    Readonly,
}

impl Role {
    /// Its name, as people and clients see it.
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
    /// Identity.
    pub id: EngineerId,
    /// Name for people.
    pub name: Name,
    /// Address, unique in the cluster.
    pub email: Email,
    /// Rights.
    pub role: Role,
    /// Registration.
    pub created_at: WallTime,
}

/// The first 16 hexadecimal digits of the SHA-256 of an API key: finds the one hash to verify.
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
    /// Identity.
    pub id: KeyId,
    /// Owner.
    pub engineer: EngineerId,
    /// Lookup prefix, unique in the cluster.
    pub prefix: KeyPrefix,
    /// Argon2id hash in PHC string form.
    pub hash: Arc<str>,
    /// What the owner calls it.
    pub label: Label,
    /// No longer accepted from this moment on.
    pub expires_at: Option<WallTime>,
    /// Accepted for this project only.
    pub project: Option<ProjectId>,
    /// Accepted for reading only.
    pub readonly: bool,
    /// Minting.
    pub created_at: WallTime,
}

impl ApiKey {
    /// Whether its time is over.
    pub fn is_expired(&self, now: WallTime) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
