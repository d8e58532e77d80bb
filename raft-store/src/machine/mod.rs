//! The state machine on storage: what committed entries have made. Never decides; the domain does.
//!
//! [`apply`] runs entries through the domain and writes rows, documents, events and [`progress`] in
//! one batch, unsynced: a crash takes the batch back together with what it says was applied, and
//! Raft applies again. Only after the write is the new state [published](Published) and are the
//! clients answered. The [`ledger`] knows the hash of each stored row, `trail` those of the last
//! entries. [`load`] makes the state anew at start, and checks it. [`raft`] is all of it as openraft
//! calls it.

pub(crate) mod apply;
mod event_search;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod progress;
mod published;
mod raft;
mod trail;

pub use published::Published;
pub use raft::StateMachine;
pub(crate) use trail::HashTrail;
