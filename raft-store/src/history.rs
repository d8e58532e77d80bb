//! The stored form of an event. It has the bytes of all events before it, so that the history can be bounded in bytes
//! without adding them up.

use nexus_domain::Recorded;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An event as it is stored.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredEvent<'a> {
    /// The bytes of all events that were ever stored before it, keys included.
    pub(crate) bytes_before: u64,
    /// The event, borrowed while it is written.
    pub(crate) event: Cow<'a, Recorded>,
}
