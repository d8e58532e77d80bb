//! The applied state on storage. The rules are the domain's.
//!
//! [`apply`] applies entries with the domain, and writes rows, documents, events and [`progress`] in one batch,
//! unsynced: a crash loses the batch together with its progress, and Raft applies the entries again. Only after the
//! write is the new state [published](Published), and only then are the clients answered. [`row_hashes`] has the hash
//! of each stored row, `hash_history` the state's hashes after the last entries. [`load`] rebuilds the state at start,
//! and checks it. `apply_stats` counts for metrics.

pub(crate) mod apply;
mod apply_stats;
mod event_search;
mod hash_history;
pub(crate) mod load;
pub(crate) mod progress;
mod published;
pub(crate) mod row_hashes;

pub use apply::PRUNE_EVERY;
pub use apply_stats::ApplyStats;
pub(crate) use hash_history::HashHistory;
pub use published::Published;
