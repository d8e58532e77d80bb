//! The rules of Nexus, as a pure state machine.
//!
//! A [`Proposal`] is one log entry. [`apply`] first ends the leases that have expired, then looks the request up in the
//! reply cache, then [decides](decide): it reads the [`State`] and returns either events or a [`Refusal`]. The events
//! are folded into the state, which cannot fail. Nothing here reads a clock, creates a random value, opens a file or a
//! socket, or iterates in an order that could differ between nodes: the same log gives the same bytes everywhere.
//!
//! Reading order:
//! - [`ids`], [`time`], [`short_text`], [`pattern`]: the vocabulary.
//! - [`entity`]: what the state holds. [`document`]: long texts, which it does not hold.
//! - [`command`], [`event`], [`reply`], [`refusal`], [`reply_cache`]: what goes in and comes out.
//! - [`state`]: everything at one revision, with its indexes and its rows.
//! - [`work`]: limits of computation. [`usage`]: the storage that quotas limit. [`settings`]: what operators can
//!   change.
//! - [`decide`]: the rules, one file for each subject. [`apply`]: how they run. [`rules`]: their version.
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
