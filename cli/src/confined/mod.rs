//! Opens files of a repository, which others may have filled: beneath its root, up to a limit, and never through a link
//! that leads elsewhere. It knows nothing about their content.
//!
//! - [`dir`]: a folder, and the folders beneath it. [`links`]: where a path leads in it. [`files`]: files are read,
//!   written and removed beneath it.
//! - [`bounded`]: reads a file of the user or of git, which may be endless or a pipe.

mod bounded;
mod dir;
mod files;
mod links;
#[cfg(all(test, unix))]
mod tests;

pub(crate) use bounded::{read_bounded, read_bytes};
pub(crate) use dir::ConfinedDir;
pub(crate) use files::MAX_FILE_BYTES;
pub(crate) use links::Links;
