//! The roadmap on the wire.

use crate::feature::{Feature, Lane};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Answer of `GET …/roadmap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Roadmap {
    /// The project.
    pub project_id: Uuid,
    /// Every lane, soonest first.
    pub lanes: Vec<RoadmapLane>,
}

/// One lane of the roadmap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoadmapLane {
    /// Which.
    pub lane: Lane,
    /// Its features in their order.
    pub features: Vec<Feature>,
}

/// Body of `PATCH …/roadmap/reorder`: the slugs at the head of each lane that is named.
pub type Reorder = BTreeMap<Lane, Vec<String>>;

/// Body of `PATCH …/roadmap/:slug/lane`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct MoveFeature {
    /// Into which lane.
    pub lane: Lane,
    /// Its place there; the end of the lane when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
}
