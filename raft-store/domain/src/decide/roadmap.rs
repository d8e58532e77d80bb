//! The order of features on the roadmap. It moves features, and changes nothing else about them.

use super::context::Context;
use crate::{
    entity::{Feature, Lane},
    event::{Event, FeatureField, FieldValue},
    refusal::Refusal,
    work::{OutOfBudget, WorkBudget},
};
use std::sync::Arc;

/// Features in one reordering.
pub const MAX_NAMED: usize = 10_000;
/// Steps of looking at a feature and its position.
const PLACE: usize = 150;
/// Steps of moving a feature: its index entries are replaced, and it is written with its event.
const MOVE: usize = 4_000;
/// Bytes of a moved feature that are written in one step.
const BYTES_PER_STEP: usize = 2;

/// Collects the moves of a command.
pub(crate) struct Moves<'a, 'w> {
    pub(crate) ctx: Context<'a>,
    pub(crate) work: &'w mut WorkBudget,
    pub(crate) events: Vec<Event>,
}

impl Moves<'_, '_> {
    /// Moves a feature, unless it is there already. Returns it as it is afterwards.
    pub(crate) fn put(
        &mut self,
        before: &Arc<Feature>,
        lane: Lane,
        priority: u32,
    ) -> Result<Arc<Feature>, Refusal> {
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
    Refusal::too_much_work(
        "moving and numbering so many features anew",
        "move single features, or empty the lane by finishing and cancelling what is over",
    )
}
