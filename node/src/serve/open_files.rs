//! The limit of open files of this process, and how many of them client connections may take. Without a free file
//! descriptor the database cannot write, and a node that cannot write ends.

use crate::serve::connections::MAX_ENDING;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that is requested at most: macOS refuses more even where it reports no limit.
const MAX_OPEN_FILES: u64 = 10_240;
/// The limit that is assumed when the system reports none.
const DEFAULT_LIMIT: u64 = 1_024;
/// Descriptors that clients cannot take: for 128 sorted files of the database and its logs, for connections of peers,
/// of monitoring and of cancelled clients, and for backups and snapshots.
const RESERVE: u64 = 384 + MAX_ENDING as u64;
/// Connections of clients that are allowed whatever the limit is.
const MIN_CONNECTIONS: u64 = 8;

/// Raises the soft limit of open files as far as possible, and returns it. The usual soft limit of 1,024 is for
/// programs that use `select`, which this one does not.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(MAX_OPEN_FILES);
    let wanted = limit.maximum.map_or(MAX_OPEN_FILES, |most| most.min(MAX_OPEN_FILES));
    if now >= wanted {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }) {
        Ok(()) => getrlimit(Resource::Nofile).current.unwrap_or(DEFAULT_LIMIT),
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            now
        }
    }
}

/// The number of client connections, WebSockets included, that a limit of open files allows: at most `wanted`.
pub fn connections_within(limit: u64, wanted: u32) -> u32 {
    let most = limit.saturating_sub(RESERVE).max(MIN_CONNECTIONS);
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
    use crate::settings::config::MAX_CONNECTIONS;

    #[test]
    fn clients_never_take_the_last_files() {
        assert_eq!(connections_within(MAX_OPEN_FILES, MAX_CONNECTIONS), MAX_CONNECTIONS);
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
