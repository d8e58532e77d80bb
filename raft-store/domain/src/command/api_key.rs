//! The fields of a new API key in commands.

use crate::{
    entity::{ApiKey, KeyPrefix},
    ids::{EngineerId, KeyId, ProjectId},
    short_text::Label,
    time::WallTime,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A new API key. Apply adds its owner and the time at which it was created.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewApiKey {
    /// The key's id.
    pub id: KeyId,
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
}

impl NewApiKey {
    /// The key of this engineer, created at this wall time.
    pub(crate) fn owned_by(&self, engineer: EngineerId, created_at: WallTime) -> ApiKey {
        let Self { id, prefix, hash, label, expires_at, project, readonly } = self.clone();
        ApiKey { id, engineer, prefix, hash, label, expires_at, project, readonly, created_at }
    }
}
