//! The cluster's own records: its identity, its node ids and its join tokens.

use crate::{
    entity::TokenDigest,
    ids::{ClusterId, InstanceId, JoinTokenId, NodeId},
    short_text::Label,
    time::{ClusterTime, Revision, WallTime},
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

/// Why the history of a cluster was reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ResetKind {
    /// The cluster was restored from a backup: what was written after it is lost.
    Restored,
    /// The cluster was recovered from the data folder of one node, without a quorum: what other nodes acknowledged may
    /// be lost.
    Recovered,
}

/// The beginning of a new history, above every index that the former one can have reached. The indexes between the two
/// belong to no entry: whoever knows one of them has seen something that is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HistoryStart {
    /// The log index of the first entry of the new history.
    pub from: Revision,
    /// The last log index of the former history that was kept.
    pub through: Revision,
    /// The id of the cluster before.
    pub former: ClusterId,
    /// Why the history was reset.
    pub kind: ResetKind,
    /// Whether there are sessions, tickets or join tokens of the former history left, which the next entries end.
    pub is_ending: bool,
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
