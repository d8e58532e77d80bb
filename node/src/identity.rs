//! Who this node is, as its data folder remembers it.

use anyhow::Context;
use nexus_domain::{ClusterId, InstanceId, NodeId};
use nexus_raft_store::StoreHandle;
use serde::{Deserialize, Serialize};

/// Who this node is. Kept for as long as the data folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredIdentity {
    /// This data folder.
    pub instance: InstanceId,
    /// The node id it was given; none before it belongs to a cluster.
    pub node: Option<NodeId>,
    /// The cluster, once it is known.
    pub cluster: Option<ClusterId>,
    /// How often a node was started on the folder, this time included.
    pub starts: u32,
}

/// Reads the identity, or makes one for a new data folder. Counts this start; to be [saved](save) before anybody is
/// served.
///
/// # Errors
/// When storage fails or what it holds is no identity.
pub async fn load_or_make(store: &StoreHandle, fresh: InstanceId) -> anyhow::Result<StoredIdentity> {
    match store.identity().await? {
        Some(bytes) => bincode::serde::decode_from_slice(&bytes, bincode::config::standard())
            .map(|(identity, _): (StoredIdentity, _)| StoredIdentity {
                starts: identity.starts + 1,
                ..identity
            })
            .context("the identity in the data folder cannot be read"),
        None => {
            let identity = StoredIdentity { instance: fresh, node: None, cluster: None, starts: 1 };
            save(store, &identity).await?;
            Ok(identity)
        }
    }
}

/// Writes the identity; durable on return.
///
/// # Errors
/// When storage fails.
pub async fn save(store: &StoreHandle, identity: &StoredIdentity) -> anyhow::Result<()> {
    let bytes = bincode::serde::encode_to_vec(identity, bincode::config::standard())?;
    store.save_identity(&bytes).await?;
    Ok(())
}
