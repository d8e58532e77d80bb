//! Decides about the order of features on the roadmap. It moves features, and changes nothing else about them.

use super::{Context, Decision, conflicts::too_much, features::end_of, picking::find};
use crate::{
    entity::{Feature, Lane},
    event::{Event, FeatureField, FieldValue},
    ids::{FeatureId, ProjectId},
    refusal::Refusal,
    reply::Reply,
    short_text::Slug,
    work::{OutOfBudget, WorkBudget},
};
use std::{collections::BTreeSet, sync::Arc};

/// Features in one reordering.
pub const MAX_NAMED: usize = 10_000;

/// Moves features to the heads of lanes, with priorities from 1 in the given order. The other features of these lanes
/// follow in their former order.
pub(super) fn reorder(
    ctx: Context<'_>,
    project: ProjectId,
    lanes: &[(Lane, Vec<Slug>)],
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    ctx.worker(project)?;
    let mut named = BTreeSet::new();
    let mut heads: Vec<(Lane, Vec<&Arc<Feature>>)> = Vec::with_capacity(lanes.len());
    for (lane, slugs) in lanes {
        let head: Vec<&Arc<Feature>> =
            slugs.iter().map(|slug| find(ctx, project, slug)).collect::<Result<_, _>>()?;
        if let Some(twice) = head.iter().find(|feature| !named.insert(feature.id)) {
            return Err(Refusal::NamedTwice(twice.slug.clone()));
        }
        heads.push((*lane, head));
    }
    let mut moves = Moves { ctx, work, events: Vec::new() };
    for (lane, head) in heads {
        let others = others_of(ctx, project, lane, &named);
        for (feature, priority) in head.into_iter().chain(others).zip(1_u32..) {
            moves.put(feature, lane, priority)?;
        }
    }
    Ok(Decision::new(moves.events, Reply::Done))
}

/// The features of a lane that are not among the named ones, in their order.
fn others_of<'a>(
    ctx: Context<'a>,
    project: ProjectId,
    lane: Lane,
    named: &BTreeSet<FeatureId>,
) -> impl Iterator<Item = &'a Arc<Feature>> {
    ctx.state.features_in_lane(project, lane).filter(move |feature| !named.contains(&feature.id))
}

/// Moves a feature to a lane, with a given priority or to its end.
pub(super) fn put(
    ctx: Context<'_>,
    project: ProjectId,
    slug: &Slug,
    lane: Lane,
    priority: Option<u32>,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    ctx.worker(project)?;
    let feature = find(ctx, project, slug)?;
    let is_last = || ctx.state.last_in_lane(project, lane).is_some_and(|last| last.id == feature.id);
    let priority = priority.unwrap_or_else(|| match is_last() {
        true => feature.priority,
        false => end_of(ctx, project, lane),
    });
    let mut moves = Moves { ctx, work, events: Vec::new() };
    let after = moves.put(feature, lane, priority)?;
    Ok(Decision::new(moves.events, Reply::Feature(after)))
}

/// Steps of looking at a feature and its position.
const PLACE: usize = 150;
/// Steps of moving a feature: its index entries are replaced, and it is written with its event.
const MOVE: usize = 4_000;
/// Bytes of a moved feature that are written in one step.
const BYTES_PER_STEP: usize = 2;

/// Collects the moves of a command.
struct Moves<'a, 'w> {
    ctx: Context<'a>,
    work: &'w mut WorkBudget,
    events: Vec<Event>,
}

impl Moves<'_, '_> {
    fn put(&mut self, before: &Arc<Feature>, lane: Lane, priority: u32) -> Result<Arc<Feature>, Refusal> {
        self.work.charge(PLACE).map_err(too_many_moves)?;
        if (before.lane, before.priority) == (lane, priority) {
            return Ok(before.clone());
        }
        let written = before.list_bytes() / BYTES_PER_STEP;
        self.work.charge(MOVE + written).map_err(too_many_moves)?;
        let after =
            Arc::new(Feature { lane, priority, updated_at: self.ctx.wall(), ..Feature::clone(before) });
        let mut changed = |field, old: String, new: String| {
            let (feature, old, new) = (after.clone(), FieldValue::Text(old), FieldValue::Text(new));
            self.events.push(Event::FeatureUpdated { feature, field, old, new });
        };
        if lane != before.lane {
            changed(FeatureField::Lane, before.lane.name().to_owned(), lane.name().to_owned());
        }
        if priority != before.priority {
            changed(FeatureField::Priority, before.priority.to_string(), priority.to_string());
        }
        Ok(after)
    }
}

fn too_many_moves(_: OutOfBudget) -> Refusal {
    too_much(
        "moving and numbering so many features anew",
        "move single features, or empty the lane by finishing and cancelling what is over",
    )
}
