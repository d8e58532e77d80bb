//! What whole-cluster tests are made of: real nodes in processes of their own, real faults, clients,
//! and the checks that read a node's history afterwards.
//!
//! - [`cluster`]: starts, kills, stops, wipes and adds nodes. Everything ends with the value.
//! - [`client`]: talks to any node as a client does. [`team`]: engineers, agents and a project.
//! - [`agent`]: agents in a checkout, as processes that call `nexus`.
//! - [`transcript`]: what they type and see, as scripts that read without Rust.
//! - [`socket`]: the event feed over WebSocket. [`contract`]: the forms of all that is answered.
//! - [`patience`]: waits for conditions instead of sleeping.
//! - [`history`]: what a node's data folder says happened: no file ever had two holders.
//! - [`in_process`]: nodes in this process, for disks that hang and clocks that are wrong.
//! - [`mount`], [`netns`]: disks that fill up and networks that break, where this machine lets them.
//! - [`work`]: the demo workload, on what was really touched together in public repositories.
//! - [`bench`]: how fast a cluster is, beside three nodes of etcd. [`usage`]: processor time and memory of processes.
//! - [`abuse`]: what a team feels while others send the dearest of each kind. [`raw`]: connections that no client makes.

pub mod abuse;
pub mod agent;
pub mod bench;
pub mod client;
pub mod cluster;
pub mod contract;
pub mod history;
pub mod in_process;
pub mod mount;
pub mod netns;
pub mod patience;
pub mod raw;
pub mod socket;
pub mod team;
pub mod transcript;
pub mod usage;
pub mod work;

pub use agent::{Agent, Checkout};
pub use client::{Answer, Client};
pub use cluster::{Cluster, Node};
pub use patience::{eventually, skipped};
pub use socket::{Refused, Socket};
pub use team::Team;
