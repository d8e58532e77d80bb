//! The parts of whole-cluster tests: real nodes in processes of their own, real faults, clients, and the checks that
//! read a node's history afterwards.
//!
//! - [`cluster`]: starts, kills, stops, wipes and adds nodes. The nodes end when the cluster is dropped. [`certs`]:
//!   their certificates.
//! - [`client`]: an HTTP client of any node. [`writer`]: one that writes all the time.
//! - [`team`]: engineers, agents and a project.
//! - [`agent`]: agents in a checkout, as processes that call `nexus`.
//! - [`transcript`]: typed commands and their output, as scripts that can be read without Rust.
//! - [`socket`]: the event feed over WebSocket. [`contract`]: the forms of all answers.
//! - [`patience`]: waits for conditions instead of sleeping.
//! - [`history`]: checks a node's data folder: no file ever had two holders.
//! - [`drift`]: makes the state of a node wrong. [`fence`]: what a fenced node says.
//! - [`former`]: the program of the last landed version.
//! - [`writers`]: agents that write meanwhile.
//! - [`in_process`]: nodes in this process, for disks that hang and clocks that are wrong.
//! - [`collector`]: takes traces, as an operator's collector does.
//! - [`mount`], [`netns`]: disks that fill up and networks that break, if this machine allows it.
//! - [`work`]: the demo workload, from real commits of public repositories.
//! - [`bench`]: the speed of a cluster beside three nodes of etcd. [`usage`]: processor time and memory of processes.
//!   [`programs`]: where they are.
//! - [`soak`]: agents on a cluster whose processes, networks, disks and clocks fail, judged by the oracles.
//! - [`abuse`]: the effect of expensive requests of others on a team. [`raw`]: connections with invalid or partial
//!   requests.

pub mod abuse;
pub mod agent;
pub mod bench;
pub mod certs;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod contract;
pub mod drift;
pub mod fence;
pub mod former;
pub mod history;
pub mod in_process;
pub mod links;
pub mod mount;
pub mod netns;
pub mod patience;
pub mod programs;
pub mod raw;
pub mod soak;
pub mod socket;
pub mod team;
pub mod transcript;
pub mod usage;
pub mod work;
pub mod writer;
pub mod writers;

pub use agent::{Agent, Checkout};
pub use certs::Certs;
pub use client::{Answer, Client};
pub use cluster::{Cluster, Node};
pub use collector::Collector;
pub use patience::{eventually, skipped};
pub use socket::{Refused, Socket};
pub use team::Team;
pub use writer::Writer;
