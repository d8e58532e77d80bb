//! The limit of open files of the attacker's process, and the connections that it allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that an attacker asks for. Each crowd has a size of its own below that.
const OPEN_FILES: u64 = 16_384;

/// Asks the system for as many descriptors as the crowds need. With fewer, they are smaller, and say so.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|now| now < wanted) {
        // Refused, it stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}

/// Connections that this process may have beside its files.
pub(super) fn most_connections() -> usize {
    /// Kept back: the runtime's own, files, and requests of the moment.
    const KEPT: u64 = 256;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES);
    usize::try_from(limit.saturating_sub(KEPT)).unwrap_or(usize::MAX)
}
