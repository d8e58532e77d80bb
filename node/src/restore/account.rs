//! The account that a restore or a recovery gives the operator while it works. A closed pipe or a full disk behind the
//! standard output never ends it: what was done is done, and the exit code says so.

use std::{borrow::Cow, path::Path};

/// Prints a line to the standard output, if anybody takes it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub(super) use say;

/// A path as a word of a command that is printed for people to type.
pub(super) fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    // No path has a NUL, which no shell takes.
    shlex::try_quote(&path).map_or_else(|_| path.to_string(), Cow::into_owned)
}
