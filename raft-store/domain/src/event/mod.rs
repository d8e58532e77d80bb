//! Events: past facts. The state changes only by folding them. The events of a project are also its public feed.
//!
//! Reading order: `field` has the fields of a feature that events name, `variants` all events, each with its project,
//! `evolve` how the state changes by it, `recorded` an event with its position in the history.

mod evolve;
mod field;
mod recorded;
mod variants;

pub use field::{FeatureField, FieldValue};
pub use recorded::{Cause, Recorded};
pub use variants::Event;
