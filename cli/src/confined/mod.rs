//! Files of a repository, which others may have filled: opened beneath its root, bounded, and never through a link
//! that leads elsewhere. Knows nothing of what is in them.
//!
//! - [`dir`]: a folder beneath which files are read, written and removed. [`links`]: where a path leads in it.
//! - [`bounded`]: a file of the person's own or of git's, which must be neither endless nor a pipe.

mod bounded;
mod dir;
mod links;

pub(crate) use bounded::{read_bounded, read_bytes};
pub(crate) use dir::{ConfinedDir, Links, MAX_FILE_BYTES};
