//! Shared steps of commands about features: finding one, and changing its status.

use super::{access::not_found, context::Context, decision::Decision};
use crate::{
    entity::{Feature, Lane, Status},
    event::{Event, FeatureField, FieldValue},
    ids::ProjectId,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    short_text::Slug,
};
use std::sync::Arc;

/// The feature with this slug.
pub(crate) fn find<'a>(
    ctx: Context<'a>,
    project: ProjectId,
    slug: &Slug,
) -> Result<&'a Arc<Feature>, Refusal> {
    ctx.state.feature_by_slug(project, slug).ok_or_else(|| not_found(EntityKind::Feature, slug))
}

/// The refusal of a change of status.
pub(crate) fn transition(feature: &Feature, to: &str) -> Refusal {
    Refusal::InvalidTransition {
        slug: feature.slug.clone(),
        from: feature.status.name().to_owned(),
        to: to.to_owned(),
    }
}

/// A change of status that is its own event.
pub(crate) fn moved(ctx: Context<'_>, before: &Feature, status: Status) -> Decision {
    let (old, new) = (FieldValue::text(&before.status), FieldValue::text(&status));
    let after = Arc::new(Feature { status, updated_at: ctx.wall(), ..before.clone() });
    let event = Event::FeatureUpdated { feature: after.clone(), field: FeatureField::Status, old, new };
    Decision::new(vec![event], Reply::Feature(after))
}

/// The priority behind all features of a lane.
pub(crate) fn end_of(ctx: Context<'_>, project: ProjectId, lane: Lane) -> u32 {
    ctx.state.last_in_lane(project, lane).map_or(0, |last| last.priority).saturating_add(1)
}
