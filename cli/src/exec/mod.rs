//! `nexus exec`: runs a command that cannot write files which other sessions hold, since the kernel refuses it. The
//! cluster says which files those are; the command's text is not read.
//!
//! - [`protection`]: the paths of a checkout that become read-only, and those that cannot be covered. [`claim_query`]:
//!   asks the cluster which these are. [`claims`]: the claims that it lists. [`own_sessions`]: the sessions whose
//!   claims do not count. [`wildcard`] and [`wildcard_files`]: which files a wildcard may match. [`spellings`]: files
//!   whose names are spelled otherwise than the claim. [`launch_plan`]: the result, or why the command must not run.
//! - [`request`]: what is to be run, and what is printed about it. [`start`]: from the command line to the command. On
//!   Linux, `linux` puts it into a namespace in which those files are mounted read-only, and follows what changes; on
//!   macOS, `seatbelt` writes a profile that denies writing them.
//! - [`companion`]: the process that is started beside a command. [`portable`]: paths in messages between such
//!   processes. [`explain`]: prints what would be protected.

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
mod request;
#[cfg(any(target_os = "macos", test))]
mod seatbelt;
mod spellings;
mod start;
mod wildcard;
mod wildcard_files;

pub(crate) use companion::Companion;
pub(crate) use explain::explain;
pub(crate) use request::ExecRequest;
pub(crate) use start::run;
