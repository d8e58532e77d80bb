//! Tests the hub and the conversation on a node that is only a state and a list of events.

#[cfg(test)]
mod feed;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod rights;
pub(crate) mod stage;
