//! An entry of the log of a cluster, for whoever can read one.

use super::identity_of;
use nexus_domain::{Answer, Proposal, Revision};
use serde::{Deserialize, Serialize};

/// A proposal in the log, with its answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoggedEntry {
    /// The log index.
    pub index: u64,
    /// The identity of the request; `None` for what the cluster proposed itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The revision of the answer: another one than the index if it is a cached answer.
    pub answered: u64,
    /// Whether the answer says that the command was carried out.
    pub is_ok: bool,
    /// The answer as text, as operations have it.
    pub text: String,
}

impl LoggedEntry {
    /// A proposal with the answer that applying it gave.
    pub fn of(index: Revision, proposal: &Proposal, answer: &Answer) -> Self {
        Self {
            index: index.0,
            identity: proposal.request.as_ref().map(identity_of),
            answered: answer.revision.0,
            is_ok: answer.outcome.is_ok(),
            text: format!("{:?}", answer.outcome),
        }
    }
}
