//! The identity that a node sends to its peers. It is a watched value: a joining node receives its id and its cluster
//! while connections are already open.

use crate::peer::secret::ClusterSecret;
use nexus_domain::{ClusterId, InstanceId, NodeId};
use std::{fmt, sync::Arc};
use tokio::sync::watch;

/// The identity of this node.
#[derive(Clone, Debug)]
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
    /// Tells which nodes took the place of which, as this node knows.
    pub lineage: Lineage,
}

type IsSuccessor = dyn Fn(NodeId, NodeId) -> bool + Send + Sync;

/// Tells which nodes took the place of which: a node that lost its data comes back under a new id, with its old
/// certificate.
#[derive(Clone)]
pub struct Lineage(Arc<IsSuccessor>);

impl Lineage {
    /// A lineage that is asked whether the first node took the place of the second, at once or by way of others.
    pub fn new(is_successor: impl Fn(NodeId, NodeId) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_successor))
    }

    /// Whether `node` took the place of `former`, at once or by way of others.
    pub fn is_successor(&self, node: NodeId, former: NodeId) -> bool {
        (self.0)(node, former)
    }
}

impl Default for Lineage {
    /// The lineage of a node that knows of no other.
    fn default() -> Self {
        Self::new(|_, _| false)
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lineage").finish_non_exhaustive()
    }
}

impl LocalIdentity {
    /// The identity of a node that belongs to no cluster yet.
    pub fn new(instance: InstanceId, client_addr: impl Into<String>) -> Self {
        let client_addr = client_addr.into();
        let lineage = Lineage::default();
        Self {
            cluster: None,
            node: None,
            secret: None,
            instance,
            client_addr,
            is_initialized: false,
            lineage,
        }
    }
}

/// The identity as the transport reads it; the node keeps the sending half.
pub type SharedIdentity = watch::Receiver<LocalIdentity>;
