//! A model of the rules, written apart from the domain and much simpler: plain lists, no index, no limit of
//! computation, and paths that are compared by brute force. It uses only the types that go into the domain and come out
//! of it. Where both agree on every entry of a long log, a defect must be in both of them alike.
//!
//! The model does not know what a text says, nor how much an entry may compute or clean up. It counts the commands that
//! it does not know, and says so when it cannot go on: after a project or an engineer was deleted.
//!
//! Reading order, from the bottom to the top:
//! - `paths`, `outcome`, `world`: collisions, what an answer says, and what the model knows.
//! - `usage`, `rights`, `conflicts`, `sessions`: what commands share.
//! - `picks`, `features`, `claims`, `people`, `key_resets`, `texts`: the commands.
//! - `rules`, `replies`, `invariants`, `replay`: how entries run.

mod claims;
mod conflicts;
mod features;
mod invariants;
mod key_resets;
mod outcome;
mod paths;
mod people;
mod picks;
mod replay;
mod replies;
mod rights;
mod rules;
mod sessions;
mod texts;
mod usage;
mod world;

#[cfg(test)]
mod tests;

pub use outcome::{Outcome, Value};
pub use replay::{ExpectedClaim, ExpectedLease, Model, Verdict};
