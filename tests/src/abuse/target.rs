//! What an attacker is sent to do, and what it reports.

use super::kind::Kind;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What an attacker knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Target {
    /// What to send.
    pub kind: Kind,
    /// For how long.
    pub span: Duration,
    /// Whether to keep what stays in the cluster small.
    pub is_short: bool,
    /// The nodes, for clients.
    pub urls: Vec<String>,
    /// `host:port` of the nodes, for nodes.
    pub peer_addrs: Vec<String>,
    /// Its own project.
    pub project: String,
    /// Keys of members of that, engineers each; the first one leads it.
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

/// What an attacker did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Requests, connections or messages that were sent.
    pub sent: u64,
    /// Answers by status, and `lost` for what had none.
    pub answers: BTreeMap<String, u64>,
    /// What else is worth knowing, in order.
    pub notes: Vec<String>,
    /// Bars of its own that were missed.
    pub missed: Vec<String>,
    /// Processor time of this process.
    pub cpu: Duration,
}
