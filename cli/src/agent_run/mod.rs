//! One run of one agent, and the session that it acts as.
//!
//! Two agents in one checkout are two runs: nothing about one is kept in a file that another writes.
//! - [`key`]: what a run is told apart by. [`process`]: the process that it lives in.
//! - [`record`]: what is kept of a run, one file for each project that it works in. `living`: the runs whose processes live.
//! - [`actor`]: which run a command belongs to; [`handed`]: what its host hands down about that.
//!   [`going_on`]: one that has another name from now on. [`acting`]: as which session it then acts.
//! - [`keeper`]: the process that beats for a session while its run lives. [`ward`]: the session, what it
//!   holds, and how that is taken back.

mod acting;
mod actor;
mod going_on;
mod handed;
mod keeper;
mod key;
#[cfg(target_os = "linux")]
mod living;
mod process;
mod record;
mod ward;

pub(crate) use acting::bind;
pub(crate) use actor::Actor;
pub(crate) use going_on::go_on_as;
pub(crate) use handed::{hand_out, is_handed_down};
pub(crate) use keeper::{Keeper, watch_over};
pub(crate) use key::{Key, TERMINAL};
pub(crate) use process::{Process, Processes};
pub(crate) use record::{Lost, Record, Records};
