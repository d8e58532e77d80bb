//! The roadmap on the wire.

use crate::{
    body::{Body, BodyField, Fields, Priority, Problem, Unknown, body, list, list_schema},
    feature::{Feature, Lane},
    text::SlugText,
};
use nexus_domain::{decide::MAX_NAMED, entity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};
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

/// Slugs for the head of a lane. Any text is accepted: there is no feature with an invalid slug.
struct NamedFeatures(Vec<String>);

impl BodyField for NamedFeatures {
    type Sent = Vec<String>;

    fn parse(value: Value) -> Result<Self, Vec<Problem>> {
        list(value, MAX_NAMED, |slug| Ok::<_, String>(slug.to_owned())).map(Self)
    }

    fn schema() -> RefOr<Schema> {
        list_schema::<SlugText>(MAX_NAMED).into()
    }
}

impl Body for Reorder {
    /// The lanes that are named, with the slugs for their heads.
    type Checked = Vec<(entity::Lane, Vec<String>)>;

    const UNKNOWN: Unknown = Unknown::Ignored;

    fn read(fields: &mut Fields) -> Option<Self::Checked> {
        let lanes = entity::Lane::ALL.map(|lane| (lane, fields.read::<Option<NamedFeatures>>(lane.name())));
        fields.others_are("is no lane; lanes are now, next, later and icebox");
        let named = |(lane, slugs): (_, Option<Option<NamedFeatures>>)| {
            slugs.flatten().map(|NamedFeatures(slugs)| (lane, slugs))
        };
        Some(lanes.into_iter().filter_map(named).collect())
    }
}

body! {
    /// Body of `PATCH …/roadmap/:slug/lane`.
    pub struct MoveFeature => CheckedMoveFeature, Unknown::Ignored {
        /// The lane to move the feature to.
        lane: entity::Lane,
        /// The position in that lane; its end when absent.
        priority: Option<Priority>,
    }
}
