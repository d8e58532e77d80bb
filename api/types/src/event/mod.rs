//! Events of a project, as WebSockets and long polls send them.
//!
//! - [`fact`]: what happened, the sentence that says so, and whether it changes holders.
//! - [`envelope`]: an event with its position in the history. [`recorded`]: made from an event of the state machine.

mod envelope;
mod fact;
mod recorded;

pub use envelope::{By, Event, Events, Ticket};
pub use fact::{Fact, FeatureName, Person, Reason};
