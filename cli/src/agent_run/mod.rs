//! An agent run: one conversation of an agent, or one terminal. It sends no request: the session that a run acts as is
//! in [`session`](crate::session).
//!
//! Two agents in one checkout are two runs, and no run writes the files of another.
//! - [`run_key`]: the key that identifies a run. [`process`]: the process that it lives in.
//! - [`record`]: what is stored of a run, one file for each project that it works in. [`journal_file`]: the names of
//!   the journals beside it. [`lost_claim`]: what it lost while its session was over. `live_runs`: the runs whose
//!   processes are alive.
//! - [`actor`]: finds the run that a command belongs to. [`inherited`]: run keys that hosts pass on in the environment.
//!   [`owner`]: finds the process that a run lives in. [`binding`]: binds the run to it. [`continuation`]: a run that
//!   goes on under another key.

mod actor;
mod binding;
mod continuation;
mod inherited;
pub(crate) mod journal_file;
#[cfg(target_os = "linux")]
mod live_runs;
mod lost_claim;
mod owner;
mod process;
pub(crate) mod record;
mod run_key;

pub(crate) use actor::Actor;
pub(crate) use binding::{bind, new_name};
pub(crate) use continuation::continue_as;
pub(crate) use inherited::{export_run_key, is_inherited};
pub(crate) use lost_claim::{LostClaim, PresentHolder};
pub(crate) use owner::{EXEC_COMMAND, program_of};
pub(crate) use process::{Process, Processes};
pub(crate) use record::{RunRecord, RunRecords};
pub(crate) use run_key::{RunKey, TERMINAL};
