//! Findings of oracles: promises that a run has broken.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A promise of Nexus that a run has broken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Violation {
    /// The oracle that found it, such as `model` or `leases`.
    pub oracle: String,
    /// The broken promise, in a few words that are the same for every run.
    pub promise: String,
    /// The operations, indexes and times that show it, for a person.
    pub message: String,
}

impl Violation {
    /// A violation of a promise that this oracle checks.
    pub fn new(oracle: &str, promise: &str, message: impl Into<String>) -> Self {
        Self { oracle: oracle.to_owned(), promise: promise.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oracle, promise, message } = self;
        write!(f, "{oracle}: {promise}: {message}")
    }
}
