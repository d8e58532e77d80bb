//! nexusd: one member of a Nexus cluster. This is a library for its binary and for tests of whole clusters.
//!
//! The modules, in the order in which a node comes to life:
//! - [`args`], [`config`], [`logging`]: the settings that an operator gives.
//! - [`run`]: starts, runs and stops a node. [`identity`], [`secret`] and `bootstrap`: the node's id, secret and
//!   cluster. `http`, `connections` and `activity`: the listener for clients. [`open_files`]: the limit of open files.
//! - [`peer`]: the transport between nodes. `service`: answers to requests of peers beyond Raft.
//! - `node`: the state that the other modules share. [`raft`]: how openraft is configured. [`clock`]: cluster time.
//! - `leader_client`: the one way of a request to the leader, wherever it is. `propose`, `read`, `heartbeats`: writes,
//!   linearizable reads, and leases of sessions go that way.
//!   `slots`: the identities of writes without a key. `keep_alives`: how often a request renews the lease of its
//!   session.
//! - `leader_duties`, `membership`, `token`: what the leader does for the cluster and its membership.
//! - `disk`, `disk_admission`: which writes are refused while space is low. `flush_watch`: a leader whose disk is slow
//!   hands leadership over.
//! - `report`: reports that nodes send each other, and the alarm when their states differ.
//! - `backup`: snapshots on demand. `cluster`, `view`, `status`: what this node offers to the API.

mod activity;
pub mod args;
mod backup;
mod bootstrap;
pub mod clock;
mod cluster;
pub mod config;
mod connections;
mod disk;
mod disk_admission;
mod flush_watch;
mod heartbeats;
mod http;
pub mod identity;
mod keep_alives;
mod leader_client;
mod leader_duties;
pub mod logging;
mod membership;
mod node;
pub mod open_files;
pub mod peer;
mod propose;
pub mod raft;
mod read;
mod report;
pub mod run;
pub mod secret;
mod service;
mod slots;
mod status;
mod token;
mod view;

pub use token::BOOTSTRAP_TOKEN_FILE;
