//! What a node remembers: the Raft log, the replicated state machine and its snapshots, on ordered
//! storage. Knows openraft and RocksDB, so that nothing else below the node has to.
//!
//! Reading order:
//! - [`types`]: what this project fills into openraft.
//! - [`storage`]: sorted columns and files, on RocksDB or simulated. [`record`]: the envelope of all
//!   that is stored. `keys`: where it is stored.
//! - [`log`]: entries and votes; durable before anyone hears of them.
//! - [`machine`]: committed entries through the domain; written before anyone sees them.
//! - [`snapshot`]: the state machine as one file.
//! - [`store`]: opens all of it, and is what the rest of a node reads from.
//! - [`error`]: why it stops. Nothing here tries again after a failure of the device.

mod blocking;
pub mod error;
mod fatal;
mod history;
mod keys;
pub mod log;
pub mod machine;
pub mod record;
pub mod snapshot;
pub mod storage;
pub mod store;
pub mod types;

pub use error::{Quarantined, StoreError};
pub use log::{FlushStats, LogReader, LogStore};
pub use machine::{Published, StateMachine};
pub use snapshot::{
    Backup, BackupContents, CHUNK_BYTES, SnapshotBuilder, SnapshotFile, SnapshotReceiver, check_backup,
};
pub use store::{EventsPage, StoreHandle, open, open_folder};
pub use types::{
    Applied, Command, Entry, LeaderId, LogId, Member, SnapshotMeta, StoredMembership, TypeConfig, Vote,
};
