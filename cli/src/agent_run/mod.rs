//! An agent run: one conversation of an agent, or one terminal, and the session that it acts as.
//!
//! Two agents in one checkout are two runs, and no run writes the files of another.
//! - [`run_key`]: the key that identifies a run. [`process`]: the process that it lives in.
//! - [`record`]: what is stored of a run, one file for each project that it works in. `live_runs`: the runs whose
//!   processes are alive.
//! - [`actor`]: finds the run that a command belongs to. [`inherited`]: run keys that hosts pass on in the environment.
//!   [`continuation`]: a run that goes on under another key. [`acting_session`]: the session that a command acts as.
//! - [`keep_alive`]: the process that sends heartbeats while a run lives. [`supervised_session`]: the session that it
//!   keeps alive, what the session holds, and how that is claimed again.

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
