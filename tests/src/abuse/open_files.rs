//! The limit of open files of the attacker's process, and the connections that it allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors that an attacker asks the system for. Each crowd has a smaller size of its own.
const OPEN_FILES: u64 = 16_384;

/// Asks the system for as many descriptors as the crowds need. With fewer, the crowds are smaller, and report it.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|now| now < wanted) {
        // If this is refused, the limit stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// Connections that this process may have beside its files.
pub(super) fn most_connections() -> usize {
    /// Descriptors that are kept back for the runtime, files and current requests.
    const KEPT: u64 = 256;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES);
    usize::try_from(limit.saturating_sub(KEPT)).unwrap_or(usize::MAX)
}
