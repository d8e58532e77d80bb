//! The store of a node: the Raft log, the replicated state machine and its snapshots, on ordered storage. Of the crates
//! below the node, only this one knows openraft and RocksDB.
//!
//! Reading order:
//! - [`types`]: the type parameters of openraft.
//! - [`storage`]: sorted columns and files, on RocksDB or simulated. [`record`]: the envelope of everything stored.
//!   `keys`: the keys of everything stored.
//! - [`log`]: entries and votes, which are durable before they are acknowledged.
//! - [`machine`]: applies committed entries with the domain, and writes the result before it is visible.
//! - [`snapshot`]: the applied state as one file.
//! - `state_machine`: both of them, behind openraft's trait.
//! - `scrub`: reads everything again in the background.
//! - [`store`]: opens all of it, and serves the reads of the rest of the node.
//! - `latency`: how long flushes and applies take.
//! - [`inspect`](mod@inspect): what a data folder contains, without opening it for a node.
//! - `fuzzing`: the fuzz targets of what is stored.
//! - [`error`]: failures, which stop the store. Nothing here retries after a failure of the device.

mod blocking;
mod column;
pub mod error;
mod fatal;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod inspect;
mod keys;
mod latency;
pub mod log;
pub mod machine;
pub mod record;
mod scrub;
pub mod snapshot;
mod state_machine;
pub mod storage;
pub mod store;
pub mod types;

pub use error::{Quarantined, StoreError};
pub use inspect::{Inspection, inspect, inspect_folder};
pub use latency::{LatencyCounts, LatencyHistogram};
pub use log::{FlushStats, LogEnds, LogReader, LogStore};
pub use machine::{ApplyStats, PRUNE_EVERY, Published};
pub use scrub::Scrubbed;
pub use snapshot::{
    Backup, BackupContents, BackupFile, CHUNK_BYTES, Founder, NewHistory, SnapshotBuilder, SnapshotFile,
    SnapshotNote, SnapshotReceiver, check_backup, recover, restore,
};
pub use state_machine::StateMachine;
pub use store::{EventsPage, StoreHandle, open, open_folder};
pub use types::{
    Applied, Command, Entry, LeaderId, LogId, Member, SnapshotMeta, StoredMembership, TypeConfig, Vote,
};
