//! How many files this process may have open, and how many of them clients may take. Without one that is free the database
//! cannot write on, and a node that cannot write ends.

use crate::connections::MAX_ENDING;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is asked for: macOS refuses more where it says unlimited.
const MAX_OPEN_FILES: u64 = 10_240;
/// What a process has where its system says nothing about it.
const USUAL: u64 = 1_024;
/// Kept from clients: 128 sorted files of the database and its logs, connections of peers, of monitoring and of those that
/// end, backups and snapshots.
const RESERVE: u64 = 384 + MAX_ENDING as u64;
/// Connections of clients that there are in any case.
const LEAST_CONNECTIONS: u64 = 8;

/// Raises the limit as far as it goes, and says what it is then. The usual soft limit of 1,024 is for programs that use
/// `select`, which nothing here does.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(MAX_OPEN_FILES);
    let wanted = limit.maximum.map_or(MAX_OPEN_FILES, |most| most.min(MAX_OPEN_FILES));
    if now >= wanted {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }) {
        Ok(()) => getrlimit(Resource::Nofile).current.unwrap_or(USUAL),
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            now
        }
    }
}

/// Connections of clients that there may be at once, WebSockets among them, where so many files may be open.
pub fn connections_within(limit: u64, wanted: u32) -> u32 {
    let most = limit.saturating_sub(RESERVE).max(LEAST_CONNECTIONS);
    let granted = wanted.min(u32::try_from(most).unwrap_or(u32::MAX));
    if granted < wanted {
        tracing::warn!(
            limit,
            wanted,
            granted,
            "fewer connections of clients than wanted: raise the limit of open files (ulimit -n, LimitNOFILE)"
        );
    }
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_take_the_last_files() {
        assert_eq!(
            connections_within(MAX_OPEN_FILES, crate::http::MAX_CONNECTIONS),
            crate::http::MAX_CONNECTIONS
        );
        for limit in [1_024, 2_048, 4_096, MAX_OPEN_FILES] {
            assert!(u64::from(connections_within(limit, u32::MAX)) + RESERVE <= limit, "{limit}");
        }
        assert_eq!(connections_within(64, 8_192), 8, "somebody has to be able to ask why");
        assert_eq!(connections_within(1 << 20, 16), 16);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let limit = raise();
        assert_eq!(raise(), limit);
        assert!(getrlimit(Resource::Nofile).current.is_none_or(|now| now == limit));
    }
}
