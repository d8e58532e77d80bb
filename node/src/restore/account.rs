//! The account that a restore or a recovery gives the operator while it works. A closed pipe or a full disk behind the
//! standard output never ends it: what was done is done, and the exit code says so.

/// Prints a line to the standard output, if anybody takes it.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub(super) use say;
