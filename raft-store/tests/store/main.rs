//! Stories of the store: what it keeps through crashes, failures and snapshots.
//!
//! Most are told on the simulated disk, which forgets what it may; those that depend on it are told
//! on RocksDB too. `entries` writes the log of a small project, `node` is a store without a Raft,
//! and `cluster_of_one` one with it.

#![allow(clippy::unwrap_used)]

mod cluster_of_one;
mod deletion;
mod durability;
mod entries;
mod garbage;
mod golden;
mod history;
mod machine;
mod node;
mod openraft_suite;
mod quarantine;
mod snapshots;
mod storage;
