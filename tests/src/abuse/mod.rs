//! What one cluster bears from strangers and from members of other projects, while an honest team works on it.
//!
//! - [`kind`]: what is sent, by name.
//! - [`attack`]: how each kind is sent. It knows nothing of the team.
//! - [`attacker`]: the process that sends it, at a lower priority. [`target`]: what it is sent to do, and what it reports.
//!   `open_files`: how many connections it may have.
//! - [`honest_team`]: the team: what it does, what it was promised, how long it waited. [`observer`]: what it hears.
//! - [`stage`]: a new cluster for each kind, the team and the attackers on it, from its start to its end.
//! - [`verdict`]: what was measured of one kind, and whether it is within the bar. [`table`]: all of them, for people.

pub mod attack;
pub mod attacker;
pub mod honest_team;
pub mod kind;
pub mod observer;
mod open_files;
pub mod stage;
pub mod table;
pub mod target;
pub mod verdict;

pub use kind::Kind;
