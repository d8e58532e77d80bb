//! Whom a call is meant for: an address, and who has to be there.

use super::hello::Expected;
use nexus_domain::NodeId;
use nexus_raft_store::Member;
use std::fmt;

/// Whom a call is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerTarget {
    /// Where, `host:port`.
    pub addr: String,
    /// Who has to be there; none is whoever answers, which is not enough for Raft.
    pub expected: Option<Expected>,
}

impl PeerTarget {
    /// A member: nobody else may answer in its place, and no other data folder.
    pub fn member(node: u64, member: &Member) -> Self {
        let expected = Expected { node: NodeId(node), instance: member.instance };
        Self { addr: member.peer_addr.clone(), expected: Some(expected) }
    }

    /// Whoever answers at an address.
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
