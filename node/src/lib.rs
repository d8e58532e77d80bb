//! nexusd: one member of a Nexus cluster. A library for its binary and for tests of whole clusters.
//!
//! The parts, in the order in which a node comes to life:
//! - [`args`], [`config`], [`logging`]: what the operator wants.
//! - [`run`]: the life of a node. [`identity`], [`secret`] and `bootstrap`: who it is. `http`, `connections` and `activity`:
//!   its clients, [`open_files`]: how many of them there may be.
//! - [`peer`]: the transport between nodes. `service`: what peers may ask.
//! - `node`: what the rest shares. [`raft`]: openraft as it is run. [`clock`]: cluster time.
//! - `propose`, `read`, `beats`: writes, reads and signs of life, wherever the leader is. `touches`: how
//!   often requests count as one.
//! - `lead`, `change`, `token`: what the leader does for the cluster and its membership.
//! - `disk`, `admit`: what is refused while space is low. `flush_watch`: a leader whose disk is slow goes.
//! - `report`: what nodes tell each other about themselves, and the alarm when states differ.
//! - `backup`: snapshots on demand. `cluster`, `view`, `status`: the node as the API sees it.

mod activity;
mod admit;
pub mod args;
mod backup;
mod bootstrap;
mod change;
pub mod clock;
mod cluster;
pub mod config;
mod connections;
mod disk;
mod flush_watch;
mod heartbeats;
mod http;
pub mod identity;
mod keep_alives;
mod lead;
pub mod logging;
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
