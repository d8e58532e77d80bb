//! Brings a cluster back: from a backup, or from the data folder of one node without a quorum. Either builds a data
//! folder beside the one that it is for, and puts it into place when it is whole; a node that is started on it begins a
//! new history as the only member of a new cluster. Inspects a data folder. None of this runs beside Raft.
//!
//! Reading order:
//! - `account`: the lines that the operator gets.
//! - `folders`: the names of folders beside a data folder, and how one takes the place of another.
//! - `ownership`: the user who gets what root makes.
//! - `founder`: the node that begins the new history: its ids, its secret, its first log index.
//! - [`stored`]: `nexusd backups`, and a backup from a store. [`from_backup`]: `nexusd restore`. [`from_node`]: `nexusd
//!   recover`. [`inspection`]: `nexusd inspect`.

mod account;
mod folders;
mod founder;
pub mod from_backup;
pub mod from_node;
pub mod inspection;
mod ownership;
pub mod stored;

pub use founder::NewCluster;

pub(crate) use folders::check_is_in_place;
