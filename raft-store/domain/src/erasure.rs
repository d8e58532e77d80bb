//! Data that is erased as a whole without a read: texts and events, which the state does not hold.

use crate::{
    ids::{FeatureId, ProjectId},
    time::Revision,
};

/// A range of texts or events that is erased as a whole, however many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Erasure {
    /// The texts about a feature except its spec: checkpoints, learnings, and the marks of decisions.
    TextsOfFeature(ProjectId, FeatureId),
    /// All texts of a project.
    TextsOfProject(ProjectId),
    /// The events of a deleted project. The store may erase only the first ones; it reports to
    /// [`State::events_erased`](crate::State::events_erased).
    Events {
        /// The deleted project.
        project: ProjectId,
        /// The first revision to erase.
        from: Revision,
        /// The revision after the last one to erase.
        to: Revision,
    },
}
