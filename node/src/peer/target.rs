//! The target of a call: an address, and the node that has to answer there.

use super::hello::ExpectedPeer;
use nexus_domain::NodeId;
use nexus_raft_store::Member;
use std::fmt;

/// The target of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerTarget {
    /// The address, `host:port`.
    pub addr: String,
    /// The node that has to answer. With none, any node may answer, but Raft traffic is refused.
    pub expected: Option<ExpectedPeer>,
}

impl PeerTarget {
    /// A member: no other node and no other data folder may answer in its place.
    pub fn member(node: u64, member: &Member) -> Self {
        let expected = ExpectedPeer { node: NodeId(node), instance: member.instance };
        Self { addr: member.peer_addr.clone(), expected: Some(expected) }
    }

    /// Any node that answers at an address.
    pub fn anyone(addr: impl Into<String>) -> Self {
        Self { addr: addr.into(), expected: None }
    }
}

impl fmt::Display for PeerTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected {
            Some(expected) => write!(f, "node {} at {}", expected.node, self.addr),
            None => f.write_str(&self.addr),
        }
    }
}
