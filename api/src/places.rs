//! How much of whom a node handles at once: requests, reads and long polls. [`limits`](crate::limits) says how often
//! somebody may ask, [`rooms`](crate::rooms) what is held of answers.

use crate::{
    api::{MAX_IN_FLIGHT, MAX_WAITING_POLLS},
    limits::{KEPT, network},
};
use nexus_domain::{EngineerId, entity::KeyPrefix};
use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Requests at once of who shows no key: registrations and joins, which are few. Their bodies may be slow to come.
const MAX_STRANGERS: usize = 128;
/// Of them, those of one address: it leaves some to everybody else.
const MAX_STRANGERS_OF_NETWORK: usize = 32;
/// Requests at once of one key, a quarter of what a node handles: signs of life are not among them.
const MAX_OF_KEY: usize = MAX_IN_FLIGHT / 4;
/// Reads at once of one engineer, with whatever key: each may hold an answer of megabytes, and there are few threads for
/// them. More wait for their turn.
const MAX_READS_OF_ENGINEER: usize = 16;
/// So many may wait, each for so long: well before the end of a request.
const MAX_WAITING_READS_OF_ENGINEER: usize = MAX_IN_FLIGHT / 4;
const LONGEST_WAIT_FOR_READ: Duration = Duration::from_secs(5);
/// Long polls at once of one engineer, a quarter of what a node lets wait: far more than agents of one engineer.
const MAX_POLLS_OF_ENGINEER: usize = MAX_WAITING_POLLS / 4;

/// One engineer may have half of a node's sockets, or so many where it has few.
const FEW_SOCKETS: usize = 16;

/// The places of a node.
pub(crate) struct Places {
    /// Requests being handled, of who shows no key that this node knows; and of each key.
    strangers: InFlight<IpAddr>,
    of_keys: InFlight<KeyPrefix>,
    /// Reads and long polls of each engineer.
    reads: Queues<EngineerId>,
    waiting_reads: InFlight<EngineerId>,
    polls: InFlight<EngineerId>,
    sockets: InFlight<EngineerId>,
}

impl Places {
    /// Those of a node that may have so many sockets open.
    pub(crate) fn new(max_sockets: u32) -> Self {
        Self {
            strangers: InFlight::new(MAX_STRANGERS, MAX_STRANGERS_OF_NETWORK),
            of_keys: InFlight::new(usize::MAX, MAX_OF_KEY),
            reads: Queues::new(MAX_READS_OF_ENGINEER),
            waiting_reads: InFlight::new(usize::MAX, MAX_WAITING_READS_OF_ENGINEER),
            polls: InFlight::new(usize::MAX, MAX_POLLS_OF_ENGINEER),
            sockets: InFlight::new(usize::MAX, FEW_SOCKETS.max(max_sockets as usize / 2)),
        }
    }

    /// A place for a request that may make this node wait for its body, until it is dropped.
    ///
    /// # Errors
    /// What there is too much of: of its key, of its address, or of strangers.
    pub(crate) fn place(
        &self,
        key: Option<KeyPrefix>,
        remote: Option<IpAddr>,
    ) -> Result<InFlightPlace, &'static str> {
        match key {
            Some(key) => self
                .of_keys
                .take(key, 1)
                .map(InFlightPlace::Key)
                .ok_or("too many requests of this key at once"),
            None => {
                let from = network(remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
                let place = self.strangers.take(from, 1).map(InFlightPlace::Stranger);
                place.ok_or("too many requests without a key at once")
            }
        }
    }

    /// A place for a read of an engineer, until it is dropped.
    ///
    /// # Errors
    /// What there is too much of.
    pub(crate) async fn read(&self, engineer: EngineerId) -> Result<OwnedSemaphorePermit, &'static str> {
        let too_many = "too many reads of this engineer at once";
        let _waiting = self.waiting_reads.take(engineer, 1).ok_or(too_many)?;
        let turn = timeout(LONGEST_WAIT_FOR_READ, self.reads.of(engineer).acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or(too_many)
    }

    /// A place for a long poll of an engineer, until it is dropped.
    ///
    /// # Errors
    /// What there is too much of.
    pub(crate) fn poll(&self, engineer: EngineerId) -> Result<Place<EngineerId>, &'static str> {
        self.polls.take(engineer, 1).ok_or("too many long polls of this engineer at once")
    }

    /// A place for a socket of an engineer among their own, until it is dropped.
    ///
    /// # Errors
    /// What there is too much of.
    pub(crate) fn socket(&self, engineer: EngineerId) -> Result<Place<EngineerId>, &'static str> {
        self.sockets.take(engineer, 1).ok_or("too many WebSockets of this engineer; connect to another node")
    }
}

/// What is handled or held at once, by whose it is. Knows of nobody who has none.
struct InFlight<K> {
    by: Held<K>,
    most: usize,
    most_of_one: usize,
}

/// Of all, and of each.
type Held<K> = Arc<Mutex<(usize, HashMap<K, usize>)>>;

impl<K: Hash + Eq + Copy> InFlight<K> {
    fn new(most: usize, most_of_one: usize) -> Self {
        Self { by: Arc::default(), most, most_of_one }
    }

    /// So much more for somebody, if that is not too much.
    fn take(&self, whose: K, count: usize) -> Option<Place<K>> {
        let mut by = lock(&self.by);
        let (all, of) = &mut *by;
        let of_one = of.get(&whose).copied().unwrap_or_default();
        if *all + count > self.most || of_one + count > self.most_of_one {
            return None;
        }
        *all += count;
        of.insert(whose, of_one + count);
        Some(Place { by: self.by.clone(), whose, count })
    }
}

fn lock<K>(by: &Held<K>) -> MutexGuard<'_, (usize, HashMap<K, usize>)> {
    by.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What somebody takes, until it is dropped.
pub(crate) struct Place<K: Hash + Eq + Copy> {
    by: Held<K>,
    whose: K,
    count: usize,
}

impl<K: Hash + Eq + Copy> Drop for Place<K> {
    fn drop(&mut self) {
        let mut by = lock(&self.by);
        let (all, of) = &mut *by;
        *all -= self.count;
        if let Some(of_one) = of.get_mut(&self.whose) {
            *of_one -= self.count;
            if *of_one == 0 {
                of.remove(&self.whose);
            }
        }
    }
}

/// Places of each, for which others of the same wait. Knows of nobody who has none and waits for none.
struct Queues<K> {
    by: Mutex<HashMap<K, Arc<Semaphore>>>,
    most_of_one: usize,
}

impl<K: Hash + Eq + Copy> Queues<K> {
    fn new(most_of_one: usize) -> Self {
        Self { by: Mutex::default(), most_of_one }
    }

    fn of(&self, whose: K) -> Arc<Semaphore> {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        if by.len() >= KEPT {
            // A place that is held, or waited for, holds its queue.
            by.retain(|_, places| Arc::strong_count(places) > 1);
        }
        by.entry(whose).or_insert_with(|| Arc::new(Semaphore::new(self.most_of_one))).clone()
    }
}

/// The place of a request, until it is dropped.
pub(crate) enum InFlightPlace {
    /// Of an engineer's reads.
    Read(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit),
    /// Of an engineer's long polls.
    Engineer(#[allow(dead_code, reason = "held for its drop")] Place<EngineerId>),
    /// Of somebody with a key.
    Key(#[allow(dead_code, reason = "held for its drop")] Place<KeyPrefix>),
    /// Of somebody without one.
    Stranger(#[allow(dead_code, reason = "held for its drop")] Place<IpAddr>),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_of_one_engineer_take_turns_and_others_do_not_wait_for_them() {
        let places = Places::new(4_096);
        let (ana, ben) = (EngineerId::MIN, EngineerId::MAX);
        let mut held = Vec::new();
        for _ in 0..MAX_READS_OF_ENGINEER {
            held.push(places.read(ana).await.unwrap());
        }
        assert!(places.read(ben).await.is_ok());
        let mut waits = std::pin::pin!(places.read(ana));
        assert!(futures::poll!(waits.as_mut()).is_pending(), "all places are taken");
        held.pop();
        assert!(waits.await.is_ok(), "a place was given back");
    }

    #[test]
    fn sockets_of_one_engineer_leave_half_of_them_to_others() {
        let places = Places::new(100);
        let (ana, ben) = (EngineerId::MIN, EngineerId::MAX);
        let of_ana: Vec<_> = std::iter::from_fn(|| places.socket(ana).ok()).collect();
        let of_ben: Vec<_> = std::iter::from_fn(|| places.socket(ben).ok()).collect();
        assert_eq!((of_ana.len(), of_ben.len()), (50, 50));
        drop(of_ana);
        assert!(places.socket(EngineerId(uuid::Uuid::from_u128(7))).is_ok());
    }

    #[test]
    fn strangers_have_few_places_and_one_address_not_all_of_them() {
        let places = Places::new(4_096);
        let from = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let mut held = Vec::new();
        while let Ok(place) = places.place(None, from(1)) {
            held.push(place);
        }
        assert_eq!(held.len(), MAX_STRANGERS_OF_NETWORK);
        for other in 2..100 {
            held.extend(std::iter::from_fn(|| places.place(None, from(other)).ok()));
        }
        assert_eq!(held.len(), MAX_STRANGERS);
        assert!(places.place(Some(KeyPrefix(7)), from(1)).is_ok(), "who has a key has other places");
        held.clear();
        assert!(places.place(None, from(1)).is_ok());
        assert!(places.strangers.by.lock().unwrap().1.is_empty(), "nobody is remembered");
    }
}
