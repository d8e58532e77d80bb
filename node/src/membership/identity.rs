//! The identity of a node, as its data folder stores it.

use anyhow::Context;
use nexus_domain::{ClusterId, InstanceId, NodeId};
use nexus_raft_store::StoreHandle;
use serde::{Deserialize, Serialize};

/// The stored identity. It lasts as long as the data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredIdentity {
    /// Names the data folder. Random, made once.
    pub instance: InstanceId,
    /// The id of the node; none before it belongs to a cluster.
    pub node: Option<NodeId>,
    /// The cluster of the node, once it is known.
    pub cluster: Option<ClusterId>,
    /// How often a node was started on the folder, this start included.
    pub starts: u32,
}

/// Reads the identity, or makes one for a new data folder, and counts this start. The caller has to [save](save) it
/// before it serves anybody.
///
/// # Errors
/// When storage fails, or the stored identity cannot be decoded.
pub async fn load_or_make(store: &StoreHandle, fresh: InstanceId) -> anyhow::Result<StoredIdentity> {
    match store.identity().await? {
        Some(bytes) => {
            decode(&bytes).map(|identity| StoredIdentity { starts: identity.starts + 1, ..identity })
        }
        None => {
            let identity = StoredIdentity { instance: fresh, node: None, cluster: None, starts: 1 };
            save(store, &identity).await?;
            Ok(identity)
        }
    }
}

/// Writes the identity, which is durable on return.
///
/// # Errors
/// When storage fails.
pub async fn save(store: &StoreHandle, identity: &StoredIdentity) -> anyhow::Result<()> {
    store.save_identity(&encode(identity)?).await?;
    Ok(())
}

/// The stored form of an identity.
///
/// # Errors
/// Never, for an identity of fixed size.
pub fn encode(identity: &StoredIdentity) -> anyhow::Result<Vec<u8>> {
    Ok(bincode::serde::encode_to_vec(identity, bincode::config::standard())?)
}

/// Reads the stored form of an identity.
///
/// # Errors
/// When it cannot be decoded.
pub fn decode(bytes: &[u8]) -> anyhow::Result<StoredIdentity> {
    bincode::serde::decode_from_slice(bytes, bincode::config::standard())
        .map(|(identity, _): (StoredIdentity, _)| identity)
        .context("the identity in the data folder cannot be read")
}
