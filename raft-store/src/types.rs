//! The types that this project fills into openraft.

use nexus_domain::{Answer, InstanceId, Proposal};
use openraft::alias;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

openraft::declare_raft_types!(
    /// Nexus on openraft: proposals in, answers out.
    pub TypeConfig:
        D = Command,
        R = Applied,
        NodeId = u64,
        Node = Member,
);

/// The place of an entry in the log, and who put it there.
pub type LogId = alias::LogIdOf<TypeConfig>;
/// A vote, or a leadership once it is committed.
pub type Vote = alias::VoteOf<TypeConfig>;
/// A candidate or leader of a term.
pub type LeaderId = alias::LeaderIdOf<TypeConfig>;
/// One log entry.
pub type Entry = alias::EntryOf<TypeConfig>;
/// The members, and the entry that made them so.
pub type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;

/// What one log entry carries: everything that the leader decided to propose at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command(pub Arc<Proposal>);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.command.name())
    }
}

/// What applying an entry gave: nothing for blank and membership entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied(pub Option<Answer>);

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "answer" } else { "nothing" })
    }
}

/// One member as the replicated membership names it: a data folder, and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// Address for other nodes, `host:port`.
    pub peer_addr: String,
    /// Address for clients, `host:port`.
    pub client_addr: String,
    /// The data folder. A node that answers with another one has lost its data and is not this member.
    pub instance: InstanceId,
}
