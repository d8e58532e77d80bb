//! The identity that a node sends to its peers. It is a watched value: a joining node receives its id and its cluster
//! while connections are already open.

use crate::peer::secret::ClusterSecret;
use nexus_domain::{ClusterId, InstanceId, NodeId};
use tokio::sync::watch;

/// The identity of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalIdentity {
    /// The cluster of the node; none before it is formed or joined.
    pub cluster: Option<ClusterId>,
    /// The id of the node; none while it joins.
    pub node: Option<NodeId>,
    /// The cluster's secret; none while the node joins.
    pub secret: Option<ClusterSecret>,
    /// The data folder of the node.
    pub instance: InstanceId,
    /// The address that clients reach the node at, `host:port`.
    pub client_addr: String,
    /// Whether the log holds a membership: the node has formed a cluster or joined one.
    pub is_initialized: bool,
}

impl LocalIdentity {
    /// The identity of a node that belongs to no cluster yet.
    pub fn new(instance: InstanceId, client_addr: impl Into<String>) -> Self {
        let client_addr = client_addr.into();
        Self { cluster: None, node: None, secret: None, instance, client_addr, is_initialized: false }
    }
}

/// The identity as the transport reads it; the node keeps the sending half.
pub type SharedIdentity = watch::Receiver<LocalIdentity>;
