//! One run of one agent, and the session that it acts as.
//!
//! Two agents in one checkout are two runs: nothing about one is kept in a file that another writes.
//! - [`run_key`]: what a run is told apart by. [`process`]: the process that it lives in.
//! - [`record`]: what is kept of a run, one file for each project that it works in. `live_runs`: the runs whose processes live.
//! - [`actor`]: which run a command belongs to; [`inherited`]: what its host hands down about that.
//!   [`continuation`]: one that has another name from now on. [`acting_session`]: as which session it then acts.
//! - [`keep_alive`]: the process that beats for a session while its run lives. [`supervised_session`]: the session, what it
//!   holds, and how that is taken back.

mod acting_session;
mod actor;
mod continuation;
mod inherited;
mod keep_alive;
#[cfg(target_os = "linux")]
mod live_runs;
mod process;
mod record;
mod run_key;
mod supervised_session;

pub(crate) use acting_session::bind;
pub(crate) use actor::Actor;
pub(crate) use continuation::continue_as;
pub(crate) use inherited::{export_run_key, is_inherited};
pub(crate) use keep_alive::{KeepAlive, ensure_keep_alive};
pub(crate) use process::{Process, Processes};
pub(crate) use record::{LostClaim, RunRecord, RunRecords};
pub(crate) use run_key::{RunKey, TERMINAL};
