//! The time and the randomness of a node, which tests replace.

use crate::raft::clock::Clock;
use nexus_api::mint::Mint;
use std::sync::Arc;

/// Time and randomness, which tests replace.
#[derive(Clone)]
pub struct Sources {
    /// The only source of time for what the cluster decides.
    pub clock: Arc<dyn Clock>,
    /// The only source of ids and secrets.
    pub mint: Arc<dyn Mint>,
}
