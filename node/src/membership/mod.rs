//! The membership of the cluster, and how a node proves that it is a member.
//!
//! - [`identity`]: the node's id and data folder. `secret`: where it gets the cluster's secret from. `token`: the
//!   bootstrap token.
//! - `bootstrap`: how a node forms, joins or rejoins a cluster. [`join_client`]: how it asks to be let in.
//! - `plan`: what a change of the membership would do. `change`: carries it out, on the leader. `loss`: whether the
//!   cluster can do without a voter. `rebuild`: lets a member begin anew.

pub(crate) mod bootstrap;
pub(crate) mod change;
pub mod identity;
pub mod join_client;
pub(crate) mod loss;
mod plan;
mod rebuild;
pub(crate) mod secret;
pub(crate) mod token;
