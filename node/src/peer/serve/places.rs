//! How many connections of each kind there may be. Counts; decides nothing else.

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

/// A connection's place; free again when dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// The places of one server. Clones are the same places.
#[derive(Clone)]
pub(super) struct Places {
    ungreeted: Arc<Mutex<Ungreeted>>,
    probe: Arc<Semaphore>,
    append: Arc<Semaphore>,
    control: Arc<Semaphore>,
    snapshot: Arc<Semaphore>,
}

/// Connections that have not said what they are for, in the order in which they came.
#[derive(Default)]
struct Ungreeted {
    came: u64,
    open: BTreeMap<u64, Silent>,
}

struct Silent {
    /// Without its port.
    address: Box<str>,
    makes_room: CancellationToken,
}

impl Ungreeted {
    /// Takes out the one that has said nothing for longest, of the address that has most of them.
    fn take_longest_of_most(&mut self) -> Option<Silent> {
        let mut of_address: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for (number, silent) in &self.open {
            of_address.entry(&silent.address).or_insert((0, *number)).0 += 1;
        }
        let (_, longest) =
            of_address.into_values().max_by_key(|(count, oldest)| (*count, Reverse(*oldest)))?;
        self.open.remove(&longest)
    }
}

impl Default for Places {
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

impl Places {
    /// A place for a connection that has said nothing yet. Where all are taken, that of the one that has said nothing
    /// for longest, of the address that has most of them: a node greets within milliseconds, and whoever does not greet
    /// would keep nodes from each other.
    pub(super) fn ungreeted(&self, remote: &str) -> Newcomer {
        let mut ungreeted = lock(&self.ungreeted);
        if ungreeted.open.len() >= MAX_UNGREETED_CONNECTIONS
            && let Some(longest) = ungreeted.take_longest_of_most()
        {
            longest.makes_room.cancel();
        }
        ungreeted.came += 1;
        let (number, makes_room) = (ungreeted.came, CancellationToken::new());
        let address = remote.rsplit_once(':').map_or(remote, |(address, _)| address).into();
        ungreeted.open.insert(number, Silent { address, makes_room: makes_room.clone() });
        Newcomer { ungreeted: self.ungreeted.clone(), number, makes_room }
    }

    /// A place for a connection of this purpose; none when all are taken.
    pub(super) fn of(&self, purpose: Purpose) -> Option<Place> {
        let places = match purpose {
            Purpose::Probe => &self.probe,
            Purpose::Append => &self.append,
            Purpose::Control => &self.control,
            Purpose::Snapshot => &self.snapshot,
        };
        Arc::clone(places).try_acquire_owned().ok()
    }
}

fn lock(ungreeted: &Mutex<Ungreeted>) -> MutexGuard<'_, Ungreeted> {
    ungreeted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of a connection that has said nothing yet, until it is dropped.
pub(super) struct Newcomer {
    ungreeted: Arc<Mutex<Ungreeted>>,
    number: u64,
    /// Told to end, since others need its place.
    pub(super) makes_room: CancellationToken,
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        // It may be gone from there already, to make room.
        lock(&self.ungreeted).open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_says_nothing_for_longest_makes_room_for_whoever_comes() {
        let places = Places::default();
        let crowd: Vec<Newcomer> =
            (0..MAX_UNGREETED_CONNECTIONS).map(|port| places.ungreeted(&format!("[::1]:{port}"))).collect();
        assert!(crowd.iter().all(|one| !one.makes_room.is_cancelled()));
        let newcomer = places.ungreeted("[::1]:1");
        let ended: Vec<bool> = crowd.iter().map(|one| one.makes_room.is_cancelled()).collect();
        assert!(ended[0] && !ended[1..].contains(&true));
        assert!(!newcomer.makes_room.is_cancelled());
        drop((crowd, newcomer));
        assert!(lock(&places.ungreeted).open.is_empty(), "nobody is remembered");
    }

    #[test]
    fn a_flood_from_one_address_takes_no_place_of_another() {
        let places = Places::default();
        let slow_node = places.ungreeted("10.0.0.7:7501");
        let flood: Vec<Newcomer> = (0..3 * MAX_UNGREETED_CONNECTIONS)
            .map(|port| places.ungreeted(&format!("10.0.0.66:{port}")))
            .collect();
        assert!(!slow_node.makes_room.is_cancelled());
        let open = flood.iter().filter(|one| !one.makes_room.is_cancelled()).count();
        assert_eq!(open, MAX_UNGREETED_CONNECTIONS - 1);
    }
}
