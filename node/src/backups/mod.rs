//! Backups on a schedule, in a folder or an object store. Every node that has a schedule follows it by itself: what is
//! in the store says when the next backup is due, so that no change of the leader, no restart and no loss of a node
//! makes a gap or a second one.
//!
//! Reading order:
//! - [`destination`]: where backups go, and by which credentials. [`name`]: what a backup is called there.
//! - [`catalog`]: which backups are there, and which of them may go.
//! - [`schedule`]: the settings, and whose turn it is.
//! - `snapshot`: makes sure that a node has a snapshot to send. `upload`: writes one, reads it back and checks it.
//! - `ranges`: reads a backup of a store piece by piece.
//!
//! What a node does with them all the time is one of its duties.

pub mod catalog;
pub mod destination;
pub mod name;
mod ranges;
pub mod schedule;
mod snapshot;
pub(crate) mod upload;

pub(crate) use snapshot::snapshot_through;
