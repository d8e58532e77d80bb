//! The rules of Nexus, as a pure state machine.
//!
//! A [`Proposal`] is one log entry. [`apply`] first ends the leases that are over, then looks for
//! the request in the reply table, then [decides](decide): reads the [`State`] and gives either
//! events or a [`Refusal`]; the events are folded into the state, which cannot fail. Nothing here
//! reads a clock, makes a random value, touches a file or a socket, or iterates in an order that
//! could differ between nodes: the same log gives the same bytes everywhere.
//!
//! Reading order:
//! - [`ids`], [`time`], [`short_text`], [`pattern`]: the vocabulary.
//! - [`entity`]: what is kept. [`document`]: long texts, kept elsewhere.
//! - [`command`], [`event`], [`reply`], [`refusal`], [`reply_cache`]: what goes in and comes out.
//! - [`state`]: everything at one revision, with its indexes and its rows.
//! - [`work`]: how much each of them may compute. [`usage`]: how much is stored for whom.
//! - [`decide`]: the rules, one file a subject. [`apply`]: how they run. [`rules`]: of which version.
//! - [`invariants`]: what must be true after every entry.

pub mod apply;
pub mod command;
pub mod decide;
pub mod document;
pub mod entity;
pub mod event;
pub mod ids;
pub mod invariants;
pub mod pattern;
pub mod refusal;
pub mod reply;
pub mod reply_cache;
pub mod rules;
pub mod settings;
pub mod short_text;
pub mod state;
pub mod time;
pub mod usage;
pub mod work;

pub use apply::{Applied, apply};
pub use command::{Acting, Actor, Command, Proposal};
pub use document::{Document, DocumentKey};
pub use event::{Event, Recorded};
pub use ids::{ClusterId, EngineerId, FeatureId, InstanceId, NodeId, ProjectId, SessionId};
pub use refusal::Refusal;
pub use reply::Reply;
pub use reply_cache::Answer;
pub use rules::RulesVersion;
pub use settings::Settings;
pub use state::{Row, RowKey, State};
pub use time::{ClusterTime, Fence, Millis, Revision, Stamp, WallTime};
pub use work::{OutOfBudget, WorkBudget};
