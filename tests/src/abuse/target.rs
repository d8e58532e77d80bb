//! The task of an attacker, and its report.

use super::kind::Kind;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Everything that an attacker knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    /// The kind to send.
    pub kind: Kind,
    /// The duration of the attack.
    pub span: Duration,
    /// Whether to store less in the cluster.
    pub is_short: bool,
    /// The nodes, for clients.
    pub urls: Vec<String>,
    /// `host:port` of the nodes, for nodes.
    pub peer_addrs: Vec<String>,
    /// The id of the attackers' project.
    pub project: String,
    /// API keys of the members of the attackers' project, one per engineer. The first one leads it.
    pub members: Vec<String>,
    /// Another project of the attackers.
    pub other_project: String,
    /// The key of the only member of `other_project`.
    pub bystander: String,
    /// Sessions of the honest team.
    pub foreign_sessions: Vec<String>,
    /// The project of the honest team.
    pub foreign_project: String,
}

/// The report of an attacker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The number of requests, connections or messages that were sent.
    pub sent: u64,
    /// The number of answers by status, and of requests without an answer as `lost`.
    pub answers: BTreeMap<String, u64>,
    /// Further notes, in order.
    pub notes: Vec<String>,
    /// Bars of the attack itself that were missed.
    pub missed: Vec<String>,
    /// Processor time of this process.
    pub cpu: Duration,
}
