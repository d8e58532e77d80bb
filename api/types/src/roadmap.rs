//! The roadmap on the wire.

use crate::feature::{Feature, Lane};
use crate::text::SlugText;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Answer of `GET …/roadmap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Roadmap {
    /// The id of the project.
    pub project_id: Uuid,
    /// All lanes, the soonest first.
    pub lanes: Vec<RoadmapLane>,
}

/// One lane of the roadmap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoadmapLane {
    /// The lane of these features.
    pub lane: Lane,
    /// The features of the lane, in their order.
    pub features: Vec<Feature>,
}

/// Body of `PATCH …/roadmap/reorder`: the slugs at the head of each lane that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct Reorder {
    /// Slugs for the head of `now`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SlugText>>, max_items = 10000)]
    pub now: Option<Vec<String>>,
    /// Slugs for the head of `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SlugText>>, max_items = 10000)]
    pub next: Option<Vec<String>>,
    /// Slugs for the head of `later`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SlugText>>, max_items = 10000)]
    pub later: Option<Vec<String>>,
    /// Slugs for the head of `icebox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SlugText>>, max_items = 10000)]
    pub icebox: Option<Vec<String>>,
}

/// Body of `PATCH …/roadmap/:slug/lane`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct MoveFeature {
    /// The lane to move the feature to.
    pub lane: Lane,
    /// The position in that lane; its end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4294967295u64)]
    pub priority: Option<u32>,
}
