//! Files of a repository, which others may have filled: opened beneath its root, bounded, and never through a link
//! that leads elsewhere. Knows nothing of what is in them.
//!
//! - [`dir`]: a folder, and the folders beneath it. [`links`]: where a path leads in it. [`files`]: files are read, written
//!   and removed beneath it.
//! - [`bounded`]: a file of the person's own or of git's, which must be neither endless nor a pipe.

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
