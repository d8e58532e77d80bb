//! How much of whom a node handles at once: requests, reads and long polls. [`limits`](crate::limits) says how often
//! somebody may ask, [`rooms`](crate::rooms) what is held of answers.

use crate::{
    api::{MAX_HEARTBEATS, MAX_IN_FLIGHT, MAX_WAITING_POLLS},
    limits::{KEPT, network},
};
use nexus_domain::EngineerId;
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
/// Requests at once of one engineer, whatever keys they show: reads, reads that wait for their turn, and writes, also
/// those whose bodies are slow to come. An eighth of what a node handles, and more than the agents of one engineer.
pub(crate) const MAX_OF_ENGINEER: usize = MAX_IN_FLIGHT / 8;
/// Reads at once of one engineer, with whatever key: each may hold an answer of megabytes, and there are few threads for
/// them. More wait for their turn, each for so long: well before the end of a request.
pub(crate) const MAX_READS_OF_ENGINEER: usize = 16;
const LONGEST_WAIT_FOR_TURN: Duration = Duration::from_secs(5);
/// Tools over `/mcp` that run at once for one engineer: each may hold an answer of some megabytes. More wait, as reads do.
pub(crate) const MAX_TOOLS_OF_ENGINEER: usize = 4;
/// Heartbeats at once of one engineer: a quarter of what a node takes.
pub(crate) const MAX_HEARTBEATS_OF_ENGINEER: usize = MAX_HEARTBEATS / 4;
/// Long polls at once of one engineer, a quarter of what a node lets wait: far more than agents of one engineer.
const MAX_POLLS_OF_ENGINEER: usize = MAX_WAITING_POLLS / 4;

/// One engineer may have half of a node's sockets, or so many where it has few.
const FEW_SOCKETS: usize = 16;

/// The places of a node.
pub(crate) struct Places {
    /// Requests of who shows no key that this node knows, by address.
    strangers: InFlight<IpAddr>,
    /// Requests of each engineer; of these the reads and the tools that have their turn.
    requests: InFlight<EngineerId>,
    reads: Queues<EngineerId>,
    tools: Queues<EngineerId>,
    /// What has places apart from those, of each engineer.
    heartbeats: InFlight<EngineerId>,
    polls: InFlight<EngineerId>,
    sockets: InFlight<EngineerId>,
}

impl Places {
    /// Those of a node that may have so many sockets open.
    pub(crate) fn new(max_sockets: u32) -> Self {
        Self {
            strangers: InFlight::new(MAX_STRANGERS, MAX_STRANGERS_OF_NETWORK),
            requests: InFlight::new(usize::MAX, MAX_OF_ENGINEER),
            reads: Queues::new(MAX_READS_OF_ENGINEER),
            tools: Queues::new(MAX_TOOLS_OF_ENGINEER),
            heartbeats: InFlight::new(usize::MAX, MAX_HEARTBEATS_OF_ENGINEER),
            polls: InFlight::new(usize::MAX, MAX_POLLS_OF_ENGINEER),
            sockets: InFlight::new(usize::MAX, FEW_SOCKETS.max(max_sockets as usize / 2)),
        }
    }

    /// A place for a request of an engineer, until it is dropped.
    ///
    /// # Errors
    /// What there is too much of.
    pub(crate) fn request(&self, engineer: EngineerId) -> Result<Place<EngineerId>, &'static str> {
        self.requests.take(engineer, 1).ok_or("too many requests of this engineer at once")
    }

    /// A place for a request without a key, which may make this node wait for its body, until it is dropped.
    ///
    /// # Errors
    /// What there is too much of: of its address, or of strangers.
    pub(crate) fn stranger(&self, remote: Option<IpAddr>) -> Result<Place<IpAddr>, &'static str> {
        let from = network(remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        self.strangers.take(from, 1).ok_or("too many requests without a key at once")
    }

    /// The turn of a read of an engineer, until it is dropped. Waits for it for some seconds.
    ///
    /// # Errors
    /// What there is too much of.
    pub(crate) async fn turn_to_read(
        &self,
        engineer: EngineerId,
    ) -> Result<OwnedSemaphorePermit, &'static str> {
        self.reads.turn(engineer).await.ok_or("too many reads of this engineer at once")
    }

    /// The turn of a tool of an engineer, until it is dropped. Waits for it for some seconds.
    ///
    /// # Errors
    /// What there is too much of.
    pub(crate) async fn turn_of_tool(
        &self,
        engineer: EngineerId,
    ) -> Result<OwnedSemaphorePermit, &'static str> {
        self.tools.turn(engineer).await.ok_or("too many tools of this engineer at once")
    }

    /// The turns of an engineer's tools.
    #[cfg(test)]
    pub(crate) fn tools_of(&self, engineer: EngineerId) -> Arc<Semaphore> {
        self.tools.of(engineer)
    }

    /// A place for a heartbeat of an engineer, until it is dropped.
    ///
    /// # Errors
    /// What there is too much of.
    pub(crate) fn heartbeat(&self, engineer: EngineerId) -> Result<Place<EngineerId>, &'static str> {
        self.heartbeats.take(engineer, 1).ok_or("too many heartbeats of this engineer at once")
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

    /// A place of somebody, once there is one; none when that takes too long.
    async fn turn(&self, whose: K) -> Option<OwnedSemaphorePermit> {
        timeout(LONGEST_WAIT_FOR_TURN, self.of(whose).acquire_owned()).await.ok()?.ok()
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
    /// Of an engineer, with its turn if it is a read.
    Engineer(
        #[allow(dead_code, reason = "held for its drop")] Place<EngineerId>,
        #[allow(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>,
    ),
    /// Of somebody without a key.
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
            held.push(places.turn_to_read(ana).await.unwrap());
        }
        assert!(places.turn_to_read(ben).await.is_ok());
        let mut waits = std::pin::pin!(places.turn_to_read(ana));
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
        while let Ok(place) = places.stranger(from(1)) {
            held.push(place);
        }
        assert_eq!(held.len(), MAX_STRANGERS_OF_NETWORK);
        for other in 2..100 {
            held.extend(std::iter::from_fn(|| places.stranger(from(other)).ok()));
        }
        assert_eq!(held.len(), MAX_STRANGERS);
        assert!(places.request(EngineerId::MIN).is_ok(), "who has a key has other places");
        held.clear();
        assert!(places.stranger(from(1)).is_ok());
        assert!(places.strangers.by.lock().unwrap().1.is_empty(), "nobody is remembered");
    }
}
