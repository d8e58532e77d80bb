//! Limits the number of connections of each purpose, and of those that have not said theirs yet.

use crate::peer::{
    hello::Purpose,
    limits::{
        MAX_APPEND_CONNECTIONS, MAX_CONTROL_CONNECTIONS, MAX_SNAPSHOT_CONNECTIONS, MAX_UNGREETED_CONNECTIONS,
    },
};
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The permit of a connection, which dropping it gives back.
pub(super) type PeerConnectionPermit = OwnedSemaphorePermit;

/// The limits of one server. Clones share them.
#[derive(Clone)]
pub(super) struct ConnectionLimits {
    ungreeted: Arc<Mutex<Ungreeted>>,
    probe: Arc<Semaphore>,
    append: Arc<Semaphore>,
    control: Arc<Semaphore>,
    snapshot: Arc<Semaphore>,
}

/// Connections before their handshake, in the order in which they came.
#[derive(Default)]
struct Ungreeted {
    came: u64,
    open: BTreeMap<u64, UngreetedEntry>,
}

struct UngreetedEntry {
    /// The remote address, without its port.
    address: Box<str>,
    evicted: CancellationToken,
}

impl Ungreeted {
    /// Removes the oldest entry of the address that has the most entries.
    fn take_oldest_of_busiest(&mut self) -> Option<UngreetedEntry> {
        let mut of_address: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for (number, silent) in &self.open {
            of_address.entry(&silent.address).or_insert((0, *number)).0 += 1;
        }
        let (_, longest) =
            of_address.into_values().max_by_key(|(count, oldest)| (*count, Reverse(*oldest)))?;
        self.open.remove(&longest)
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        let [probe, append, control, snapshot] = [
            MAX_UNGREETED_CONNECTIONS,
            MAX_APPEND_CONNECTIONS,
            MAX_CONTROL_CONNECTIONS,
            MAX_SNAPSHOT_CONNECTIONS,
        ]
        .map(|most| Arc::new(Semaphore::new(most)));
        Self { ungreeted: Arc::default(), probe, append, control, snapshot }
    }
}

impl ConnectionLimits {
    /// Registers a connection before its handshake. At the limit, the oldest such connection of the address with the
    /// most of them is evicted: a node completes its handshake within milliseconds, and clients that never do would
    /// keep nodes from each other.
    pub(super) fn ungreeted(&self, remote: &str) -> UngreetedConnection {
        let mut ungreeted = lock(&self.ungreeted);
        if ungreeted.open.len() >= MAX_UNGREETED_CONNECTIONS
            && let Some(longest) = ungreeted.take_oldest_of_busiest()
        {
            longest.evicted.cancel();
        }
        ungreeted.came += 1;
        let (number, evicted) = (ungreeted.came, CancellationToken::new());
        let address = remote.rsplit_once(':').map_or(remote, |(address, _)| address).into();
        ungreeted.open.insert(number, UngreetedEntry { address, evicted: evicted.clone() });
        UngreetedConnection { ungreeted: self.ungreeted.clone(), number, evicted }
    }

    /// A permit for a connection of this purpose; none at the limit.
    pub(super) fn of(&self, purpose: Purpose) -> Option<PeerConnectionPermit> {
        let permits = match purpose {
            Purpose::Probe => &self.probe,
            Purpose::Append => &self.append,
            Purpose::Control => &self.control,
            Purpose::Snapshot => &self.snapshot,
        };
        Arc::clone(permits).try_acquire_owned().ok()
    }
}

fn lock(ungreeted: &Mutex<Ungreeted>) -> MutexGuard<'_, Ungreeted> {
    ungreeted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection before its handshake, until this is dropped.
pub(super) struct UngreetedConnection {
    ungreeted: Arc<Mutex<Ungreeted>>,
    number: u64,
    /// Cancelled when the connection has to end, because another one needs its entry.
    pub(super) evicted: CancellationToken,
}

impl Drop for UngreetedConnection {
    fn drop(&mut self) {
        // An evicted connection has no entry any more.
        lock(&self.ungreeted).open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_limit_the_oldest_connection_without_a_handshake_is_evicted() {
        let limits = ConnectionLimits::default();
        let crowd: Vec<UngreetedConnection> =
            (0..MAX_UNGREETED_CONNECTIONS).map(|port| limits.ungreeted(&format!("[::1]:{port}"))).collect();
        assert!(crowd.iter().all(|one| !one.evicted.is_cancelled()));
        let ungreeted = limits.ungreeted("[::1]:1");
        let ended: Vec<bool> = crowd.iter().map(|one| one.evicted.is_cancelled()).collect();
        assert!(ended[0] && !ended[1..].contains(&true));
        assert!(!ungreeted.evicted.is_cancelled());
        drop((crowd, ungreeted));
        assert!(lock(&limits.ungreeted).open.is_empty(), "nobody is remembered");
    }

    #[test]
    fn a_flood_from_one_address_evicts_no_connection_of_another() {
        let limits = ConnectionLimits::default();
        let slow_node = limits.ungreeted("10.0.0.7:7501");
        let flood: Vec<UngreetedConnection> = (0..3 * MAX_UNGREETED_CONNECTIONS)
            .map(|port| limits.ungreeted(&format!("10.0.0.66:{port}")))
            .collect();
        assert!(!slow_node.evicted.is_cancelled());
        let open = flood.iter().filter(|one| !one.evicted.is_cancelled()).count();
        assert_eq!(open, MAX_UNGREETED_CONNECTIONS - 1);
    }
}
