//! The rules of Nexus, as a pure state machine.
//!
//! A [`Proposal`] is one log entry. [`apply()`] first ends the leases that have expired, then looks the request up in
//! the reply cache, then lets the [`Command`] decide: it reads the [`State`] and returns either events or a
//! [`Refusal`]. The events are folded into the state, which cannot fail. Nothing here reads a clock, creates a random
//! value, opens a file or a socket, or iterates in an order that could differ between nodes: the same log gives the
//! same bytes everywhere.
//!
//! Reading order, from the bottom to the top; a module uses only those above it in this list:
//! - [`ids`], [`time`], [`short_text`], [`work`], [`pattern`]: the vocabulary, and limits of computation.
//! - [`settings`]: what operators can change. [`rules`]: the version of the rules.
//! - [`entity`]: what the state holds. [`document`]: long texts, which it does not hold. [`erasure`]: texts and events
//!   that are erased as a whole. [`usage`]: the storage that quotas limit. [`cleanup`]: how much an entry cleans up.
//! - [`refusal`], [`reply`], [`reply_cache`]: what comes out of a command. [`actor`]: who asks.
//! - [`row`], [`state`]: everything at one revision, with its indexes and its rows. [`event`]: how it changes.
//! - [`decide`]: the rules that commands share.
//! - [`command`]: what can be asked of the cluster, one file for each command. [`proposal`]: an entry of the log.
//! - [`mod@apply`]: how entries run. [`invariants`]: what must be true after each.
//! - `fuzzing`: the fuzz target of patterns.

pub mod actor;
pub mod apply;
pub mod cleanup;
pub mod command;
pub mod decide;
pub mod document;
pub mod entity;
pub mod erasure;
pub mod event;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod ids;
pub mod invariants;
pub mod pattern;
pub mod proposal;
pub mod refusal;
pub mod reply;
pub mod reply_cache;
pub mod row;
pub mod rules;
pub mod settings;
pub mod short_text;
pub mod state;
pub mod time;
pub mod usage;
pub mod work;

pub use actor::{Acting, Actor};
pub use apply::{Applied, apply};
pub use command::Command;
pub use document::{Document, DocumentKey};
pub use erasure::Erasure;
pub use event::{Event, Recorded};
pub use ids::{ClusterId, EngineerId, FeatureId, InstanceId, NodeId, ProjectId, SessionId};
pub use proposal::Proposal;
pub use refusal::Refusal;
pub use reply::Reply;
pub use reply_cache::Answer;
pub use row::{Row, RowKey};
pub use rules::RulesVersion;
pub use settings::Settings;
pub use state::State;
pub use time::{ClusterTime, Fence, Millis, Revision, Stamp, WallTime};
pub use work::{OutOfBudget, WorkBudget};
