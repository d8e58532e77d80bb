//! Abuse of one cluster by strangers and by members of other projects, while an honest team works on it.
//!
//! - [`kind`]: the kinds of abuse, by name.
//! - [`attack`]: how each kind is sent. It knows nothing of the team.
//! - [`attacker`]: the process that sends it, at a lower priority. [`target`]: its task and its report.
//!   `open_files`: the number of connections that it may have.
//! - [`honest_team`]: the work of the team, with everything acknowledged and all durations. [`observer`]: the team's
//!   events.
//! - [`stage`]: a new cluster for each kind, the team and the attackers on it, from its start to its end.
//! - [`verdict`]: the measurements of one kind, and whether they are within the bar. [`table`]: all of them, for
//!   people.

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
