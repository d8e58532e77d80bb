//! The state machine on storage: what committed entries have made. Never decides; the domain does.
//!
//! [`apply`] runs entries through the domain and writes rows, documents, events and [`progress`] in
//! one batch, unsynced: a crash takes the batch back together with what it says was applied, and
//! Raft applies again. Only after the write is the new state [published](Published) and are the
//! clients answered. [`row_hashes`] has the hash of each stored row, `hash_history` those of the last
//! entries. [`load`] makes the state anew at start, and checks it. [`raft`] is all of it as openraft
//! calls it.

pub(crate) mod apply;
mod event_search;
mod hash_history;
pub(crate) mod load;
pub(crate) mod progress;
mod published;
mod raft;
pub(crate) mod row_hashes;

pub(crate) use hash_history::HashHistory;
pub use published::Published;
pub use raft::StateMachine;
