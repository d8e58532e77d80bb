//! Tests the hub and the conversation on a node that is only a state and a list of events.

mod feed;
mod overload;
mod rights;
pub(crate) mod stage;
