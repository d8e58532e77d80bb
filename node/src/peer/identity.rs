//! Who this node is, as it tells its peers. Shared and watched: a joining node learns its id and its
//! cluster while connections are already open. Decides nothing.

use crate::secret::ClusterSecret;
use nexus_domain::{ClusterId, InstanceId, NodeId};
use tokio::sync::watch;

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalIdentity {
    /// The cluster it belongs to; none before it was formed or joined.
    pub cluster: Option<ClusterId>,
    /// Its place in that cluster; none while it joins.
    pub node: Option<NodeId>,
    /// What only members know; none while it joins.
    pub secret: Option<ClusterSecret>,
    /// Its data folder.
    pub instance: InstanceId,
    /// Where clients reach it, `host:port`.
    pub client_addr: String,
    /// Whether its log holds a membership: it has formed a cluster or been taken into one.
    pub is_initialized: bool,
}

impl LocalIdentity {
    /// A node that belongs nowhere yet.
    pub fn new(instance: InstanceId, client_addr: impl Into<String>) -> Self {
        let client_addr = client_addr.into();
        Self { cluster: None, node: None, secret: None, instance, client_addr, is_initialized: false }
    }
}

/// The identity as the transport reads it; the node keeps the sending half.
pub type SharedIdentity = watch::Receiver<LocalIdentity>;
