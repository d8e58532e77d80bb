//! The things that Nexus keeps, as the state machine holds them: only what rules need.
//!
//! Long texts (specs, checkpoints) are [`Document`](crate::document::Document)s and never here.

mod claim;
mod cluster;
mod engineer;
mod feature;
mod project;
mod session;
mod ticket;

pub use claim::{Claim, ClaimKey, ClaimMode, ClaimUsage};
pub use cluster::{ClusterOrigin, JoinToken, NodeRecord};
pub use engineer::{ApiKey, Engineer, KeyPrefix, Role, TokenDigest};
pub use feature::{BoardKey, Feature, FeatureLists, Holder, Lane, ReplacedLists, Status};
pub use project::{Member, MemberRole, Project, ProjectDeletion};
pub use session::{HeartbeatMode, LeaseState, Session, SessionMetadata};
pub use ticket::Ticket;
