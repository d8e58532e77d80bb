//! The cluster's record of itself: its identity, its nodes and who may join.

use crate::{
    entity::TokenDigest,
    ids::{ClusterId, InstanceId, JoinTokenId, NodeId},
    short_text::Label,
    time::{ClusterTime, WallTime},
};
use serde::{Deserialize, Serialize};

/// How the cluster began.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClusterOrigin {
    /// Its identity.
    pub cluster: ClusterId,
    /// When it was formed.
    pub formed_at: WallTime,
    /// The token that makes the first admin; gone once used.
    pub bootstrap: Option<TokenDigest>,
}

/// A node id that was handed out. Kept for ever: ids are never reused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The id.
    pub id: NodeId,
    /// The data folder it was given to.
    pub instance: InstanceId,
    /// Address for other nodes.
    pub peer_addr: Label,
    /// Address for clients.
    pub client_addr: Label,
    /// The node whose place it takes once it has caught up.
    pub replaces: Option<NodeId>,
    /// When the id was handed out.
    pub admitted_at: WallTime,
}

/// An invitation for nodes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinToken {
    /// Identity.
    pub id: JoinTokenId,
    /// Digest of the token.
    pub digest: TokenDigest,
    /// Not accepted from this moment on.
    pub expires: ClusterTime,
    /// When it was made.
    pub created_at: WallTime,
}
