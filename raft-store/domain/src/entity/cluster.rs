//! The cluster's own records: its identity, its node ids and its join tokens.

use crate::{
    entity::TokenDigest,
    ids::{ClusterId, InstanceId, JoinTokenId, NodeId},
    short_text::Label,
    time::{ClusterTime, WallTime},
};
use serde::{Deserialize, Serialize};

/// How the cluster was formed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClusterOrigin {
    /// The cluster's id.
    pub cluster: ClusterId,
    /// The wall time at which it was formed.
    pub formed_at: WallTime,
    /// The digest of the token that makes the first admin; `None` once it is used.
    pub bootstrap: Option<TokenDigest>,
}

/// A node id that was handed out. Records are kept for ever, since ids are never reused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The node's id.
    pub id: NodeId,
    /// The id of the data folder that it was given to.
    pub instance: InstanceId,
    /// `host:port` for other nodes.
    pub peer_addr: Label,
    /// `host:port` for clients.
    pub client_addr: Label,
    /// The member that this node replaces once it has caught up.
    pub replaces: Option<NodeId>,
    /// The wall time at which the id was handed out.
    pub admitted_at: WallTime,
}

/// A token with which nodes join the cluster, any number of times until it expires.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinToken {
    /// The token's id.
    pub id: JoinTokenId,
    /// The SHA-256 of the token.
    pub digest: TokenDigest,
    /// The cluster time from which on it is not accepted.
    pub expires: ClusterTime,
    /// The wall time at which it was created.
    pub created_at: WallTime,
}
