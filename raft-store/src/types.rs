//! The type parameters of openraft.

use nexus_domain::{Answer, InstanceId, Proposal};
use openraft::alias;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

openraft::declare_raft_types!(
    /// The types of Nexus: proposals are the requests, and answers the responses.
    pub TypeConfig:
        D = Command,
        R = Applied,
        NodeId = u64,
        Node = Member,
);

/// The index of an entry in the log, with the leader that appended it.
pub type LogId = alias::LogIdOf<TypeConfig>;
/// A vote for a candidate; once it is committed, the leadership of that candidate.
pub type Vote = alias::VoteOf<TypeConfig>;
/// A term with its candidate or leader.
pub type LeaderId = alias::LeaderIdOf<TypeConfig>;
/// One log entry.
pub type Entry = alias::EntryOf<TypeConfig>;
/// A membership with the entry that set it.
pub type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
/// The last entry and the membership that a snapshot covers.
pub type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;

/// The payload of a log entry: one proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command(pub Arc<Proposal>);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.command.name())
    }
}

/// The result of applying an entry: nothing for blank and membership entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied(pub Option<Answer>);

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "answer" } else { "nothing" })
    }
}

/// A member in the replicated membership: a data folder and its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// `host:port` for other nodes.
    pub peer_addr: String,
    /// `host:port` for clients.
    pub client_addr: String,
    /// The id of the data folder. A node that answers with another id has lost its data, and is not this member.
    pub instance: InstanceId,
}
