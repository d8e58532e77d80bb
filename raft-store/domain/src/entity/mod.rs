//! The entities of the state machine, with only what rules need.
//!
//! Long texts, such as specs and checkpoints, are [`Document`](crate::document::Document)s instead.

mod claim;
mod cluster;
mod engineer;
mod feature;
mod project;
mod session;
mod ticket;

pub use claim::{Claim, ClaimKey, ClaimMode, ClaimUsage, ReleaseReason};
pub use cluster::{ClusterOrigin, HistoryStart, JoinToken, NodeRecord, ResetKind};
pub use engineer::{ApiKey, Engineer, KeyPrefix, Role, TokenDigest};
pub use feature::{BoardKey, Feature, FeatureLists, Holder, Lane, ReplacedLists, Status};
pub use project::{Member, MemberRole, Project, ProjectDeletion};
pub use session::{HeartbeatMode, LeaseState, Session, SessionMetadata, SessionNote};
pub use ticket::Ticket;
