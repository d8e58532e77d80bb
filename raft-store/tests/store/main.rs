//! Tests of the store through crashes, failures and snapshots.
//!
//! Most use the simulated disk, which loses whatever a real disk may lose. Those that depend on the disk run on
//! RocksDB, too. `entries` writes the log of a small project, `node` is a store without Raft, and `cluster_of_one` is
//! one with it.

#![allow(clippy::unwrap_used)]

mod both_disks;
mod cluster_of_one;
mod crash_points;
mod cut_files;
mod data_folder;
mod deletion;
mod durability;
mod entries;
mod garbage;
mod golden;
mod history;
mod machine;
mod new_history;
mod node;
mod openraft_suite;
mod quarantine;
mod scrub;
mod snapshots;
mod storage;
