//! The rules that commands share. They read the state and return events or a refusal, and never change it.
//!
//! Reading order, from the bottom to the top:
//! - `context` and `decision`: what a rule reads, and what a command says. [`access`]: rights.
//! - `quota`, `lists`, `dependencies`, `conflicts`, `holdings`: limits and collisions. `expense`: what may take much
//!   work.
//! - `sessions`, `checkpoints`, `features`, `picks`, `roadmap`: what belongs to one subject.
//! - `session_end`, `expiry`, `history_reset`, `engineer_deletion`, `project_deletion`: what ends, in a bounded part an
//!   entry.

pub mod access;
pub(crate) mod checkpoints;
pub(crate) mod conflicts;
pub(crate) mod context;
pub(crate) mod decision;
pub(crate) mod dependencies;
pub(crate) mod engineer_deletion;
pub(crate) mod expense;
pub(crate) mod expiry;
pub(crate) mod features;
pub(crate) mod history_reset;
pub(crate) mod holdings;
pub(crate) mod lists;
pub(crate) mod picks;
pub(crate) mod project_deletion;
pub(crate) mod quota;
pub(crate) mod roadmap;
pub(crate) mod session_end;
pub(crate) mod sessions;

pub(crate) use context::Context;
pub(crate) use decision::{Decide, Decision, Effects};
pub(crate) use expense::{are_expensive, iterates_many_claims};

pub use conflicts::{OverlappingClaim, blocker, overlapping_claims};
pub use decision::{Facts, TOO_NEW};
pub use dependencies::{MAX_DEPENDENCIES, STEPS_OF_FEATURE};
pub use lists::{MAX_AUTOMATA, MAX_GLOBS, MAX_PATTERNS};
pub use roadmap::MAX_NAMED;
