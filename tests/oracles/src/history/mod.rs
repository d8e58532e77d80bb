//! The history of a run as clients and observers saw it, whether it was simulated or of real processes over HTTP.
//! Nothing here judges it.
//!
//! Reading order:
//! - `operation`: an operation of a client, from its call to its outcome.
//! - `observation`: what was seen beside operations: events, beats and ends of sessions.
//! - `entry`: an entry of the log, which only a run that can read it has.
//! - `lines`: a whole run as JSON lines. `edn`: its operations as Jepsen writes them.

mod edn;
mod entry;
mod lines;
mod observation;
mod operation;

pub(crate) use edn::quoted;
pub use edn::write_edn;
pub use entry::LoggedEntry;
pub use lines::{HistoryError, Record, RunHeader, read_lines, write_line};
pub use observation::{Beat, SeenEvent, SessionEnd, SessionEndKind};
pub use operation::{
    Answered, Ask, Consistency, FEATURE, Held, Operation, OperationOutcome, SESSION_NOT_FOUND, feature_name,
    identity_of,
};
