//! How an event is stored: with its distance from the first one, so that what is kept can be bounded in bytes
//! without counting it.

use nexus_domain::Recorded;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An event in its place in the history.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredEvent<'a> {
    /// Bytes of all events that were ever stored before it, with their keys.
    pub(crate) bytes_before: u64,
    /// The event.
    pub(crate) event: Cow<'a, Recorded>,
}
