//! Events as the history stores them: who caused them, and when.

use super::Event;
use crate::{
    entity::Holder,
    ids::EngineerId,
    time::{ClusterTime, Revision, WallTime},
};
use serde::{Deserialize, Serialize};

/// The engineer who caused an event, with the session if one is known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// The engineer whose request it was.
    pub engineer: EngineerId,
    /// The session, as a holder. `None` if the engineer acted without one.
    pub holder: Option<Holder>,
}

/// An event with its position in the history of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The log index of the entry.
    pub revision: Revision,
    /// The position among the events of the entry, from 0.
    pub seq: u32,
    /// The wall time of the entry, for people.
    pub at: WallTime,
    /// The engineer who caused it; `None` if the cluster did.
    pub cause: Option<Cause>,
    /// The event, without the lists of its feature.
    pub event: Event,
    /// The cluster time of the entry, by which the age of the event is measured.
    pub time: ClusterTime,
}
