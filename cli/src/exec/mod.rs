//! Runs a command so that it cannot write files that other sessions hold, whatever it does: the kernel refuses it.
//! Which files those are, the cluster says; nothing is read from the command's text.
//!
//! - [`protection`]: which paths of a checkout are held, and which of them cannot be covered. [`claim_query`]: what the cluster is
//!   asked for that. [`claims`]: what it says is held. [`own_sessions`]: whose claims are no obstacle. [`wildcard`] and [`wildcard_files`]:
//!   which files a wildcard may match, and which there are. [`spellings`]: files that are called otherwise than they are
//!   held. [`launch_plan`]: what came of it, and what the policy makes of silence.
//! - [`start`]: from the command line to the command. On Linux, `linux` puts it into a namespace in which those files
//!   are mounted read-only, and follows what changes; on macOS, `seatbelt` writes a profile that denies writing them.
//! - [`companion`]: the process that is started beside a command; [`portable`]: paths in what such processes say to each
//!   other. [`explain`]: what would be protected.

mod claim_query;
mod claims;
mod companion;
mod explain;
mod launch_plan;
#[cfg(target_os = "linux")]
mod linux;
mod own_sessions;
mod portable;
mod protection;
#[cfg(any(target_os = "macos", test))]
mod seatbelt;
mod spellings;
mod start;
mod wildcard;
mod wildcard_files;

pub(crate) use companion::Companion;
pub(crate) use explain::explain;
pub(crate) use start::{ExecRequest, run};
