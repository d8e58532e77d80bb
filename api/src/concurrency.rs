//! Limits how much a node handles at once for one engineer or address: requests, reads, tools, heartbeats, long polls
//! and sockets. [`rate_limits`](crate::rate_limits) limits how often requests come,
//! [`response_memory`](crate::response_memory) the memory of answers.

use crate::rate_limits::{MAX_TRACKED, network};
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

/// Requests handled at once on one node; further ones are refused, since each holds memory.
pub(crate) const MAX_IN_FLIGHT: usize = 4_096;
/// Heartbeats handled at once on one node. They are limited apart from other requests, which must not make agents lose
/// their claims. As many as a node has connections: each waits for the next batch only.
pub(crate) const MAX_HEARTBEATS: usize = 8_192;
/// Long polls at once on one node. They are limited apart from other requests, which take little time.
pub(crate) const MAX_WAITING_POLLS: usize = 1_024;
/// Requests at once without a key: registrations and joins, which are few. Their bodies may arrive slowly.
const MAX_UNAUTHENTICATED: usize = 128;
/// The part of them that one address may use, so that some are left for others.
const MAX_UNAUTHENTICATED_OF_NETWORK: usize = 32;
/// Requests at once of one engineer, with all keys together: reads, queued reads, and writes, also those whose bodies
/// arrive slowly. An eighth of what a node handles, and more than the agents of one engineer need.
pub(crate) const MAX_OF_ENGINEER: usize = MAX_IN_FLIGHT / 8;
/// Reads at once of one engineer, with all keys together: each may hold an answer of megabytes, and there are few
/// threads for them. Further reads are queued.
pub(crate) const MAX_READS_OF_ENGINEER: usize = 16;
/// A queued read or tool waits at most this long, which is well below the deadline of a request.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Tools over `/mcp` at once of one engineer: each may hold an answer of some megabytes. Further ones are queued, as
/// reads are.
pub(crate) const MAX_TOOLS_OF_ENGINEER: usize = 4;
/// Heartbeats at once of one engineer: a quarter of those of a node.
pub(crate) const MAX_HEARTBEATS_OF_ENGINEER: usize = MAX_HEARTBEATS / 4;
/// Long polls at once of one engineer: a quarter of those of a node, and far more than the agents of one engineer need.
const MAX_POLLS_OF_ENGINEER: usize = MAX_WAITING_POLLS / 4;

/// One engineer may have half of a node's sockets, or this many on a node with few.
const MIN_SOCKETS_OF_ENGINEER: usize = 16;

/// The concurrency limits of a node.
pub(crate) struct ConcurrencyLimits {
    /// Requests without a key that this node knows, by network.
    unauthenticated: PerKeyLimit<IpAddr>,
    /// Requests by engineer. Of them, reads and tools have queues of their own.
    requests: PerKeyLimit<EngineerId>,
    reads: PerKeyQueues<EngineerId>,
    tools: PerKeyQueues<EngineerId>,
    /// Requests with separate limits, by engineer.
    heartbeats: PerKeyLimit<EngineerId>,
    polls: PerKeyLimit<EngineerId>,
    sockets: PerKeyLimit<EngineerId>,
}

impl ConcurrencyLimits {
    /// The limits of a node with at most `max_sockets` open sockets.
    pub(crate) fn new(max_sockets: u32) -> Self {
        Self {
            unauthenticated: PerKeyLimit::new(MAX_UNAUTHENTICATED, MAX_UNAUTHENTICATED_OF_NETWORK),
            requests: PerKeyLimit::new(usize::MAX, MAX_OF_ENGINEER),
            reads: PerKeyQueues::new(MAX_READS_OF_ENGINEER),
            tools: PerKeyQueues::new(MAX_TOOLS_OF_ENGINEER),
            heartbeats: PerKeyLimit::new(usize::MAX, MAX_HEARTBEATS_OF_ENGINEER),
            polls: PerKeyLimit::new(usize::MAX, MAX_POLLS_OF_ENGINEER),
            sockets: PerKeyLimit::new(usize::MAX, MIN_SOCKETS_OF_ENGINEER.max(max_sockets as usize / 2)),
        }
    }

    /// A permit for a request of an engineer.
    ///
    /// # Errors
    /// A message that says which limit is reached.
    pub(crate) fn request(&self, engineer: EngineerId) -> Result<Permit<EngineerId>, &'static str> {
        self.requests.take(engineer, 1).ok_or("too many requests of this engineer at once")
    }

    /// A permit for a request without a key, whose body may arrive slowly.
    ///
    /// # Errors
    /// A message that says which limit is reached.
    pub(crate) fn unauthenticated(&self, remote: Option<IpAddr>) -> Result<Permit<IpAddr>, &'static str> {
        let from = network(remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        self.unauthenticated.take(from, 1).ok_or("too many requests without a key at once")
    }

    /// A permit for a read of an engineer. Waits for it for at most [`LONGEST_WAIT`].
    ///
    /// # Errors
    /// A message that says which limit is reached.
    pub(crate) async fn read_permit(
        &self,
        engineer: EngineerId,
    ) -> Result<OwnedSemaphorePermit, &'static str> {
        self.reads.acquire(engineer).await.ok_or("too many reads of this engineer at once")
    }

    /// A permit for a tool of an engineer. Waits for it for at most [`LONGEST_WAIT`].
    ///
    /// # Errors
    /// A message that says which limit is reached.
    pub(crate) async fn tool_permit(
        &self,
        engineer: EngineerId,
    ) -> Result<OwnedSemaphorePermit, &'static str> {
        self.tools.acquire(engineer).await.ok_or("too many tools of this engineer at once")
    }

    /// The semaphore of an engineer's tools.
    #[cfg(test)]
    pub(crate) fn tool_permits_of(&self, engineer: EngineerId) -> Arc<Semaphore> {
        self.tools.of(engineer)
    }

    /// A permit for a heartbeat of an engineer.
    ///
    /// # Errors
    /// A message that says which limit is reached.
    pub(crate) fn heartbeat(&self, engineer: EngineerId) -> Result<Permit<EngineerId>, &'static str> {
        self.heartbeats.take(engineer, 1).ok_or("too many heartbeats of this engineer at once")
    }

    /// A permit for a long poll of an engineer.
    ///
    /// # Errors
    /// A message that says which limit is reached.
    pub(crate) fn poll(&self, engineer: EngineerId) -> Result<Permit<EngineerId>, &'static str> {
        self.polls.take(engineer, 1).ok_or("too many long polls of this engineer at once")
    }

    /// A permit for a socket of an engineer.
    ///
    /// # Errors
    /// A message that says which limit is reached.
    pub(crate) fn socket(&self, engineer: EngineerId) -> Result<Permit<EngineerId>, &'static str> {
        self.sockets.take(engineer, 1).ok_or("too many WebSockets of this engineer; connect to another node")
    }
}

/// A limit of what is in progress at once, in all and for each key. Keys without anything in progress take no memory.
struct PerKeyLimit<K> {
    by: HeldCounts<K>,
    most: usize,
    most_of_one: usize,
}

/// The number in all, and by key.
type HeldCounts<K> = Arc<Mutex<(usize, HashMap<K, usize>)>>;

impl<K: Hash + Eq + Copy> PerKeyLimit<K> {
    fn new(most: usize, most_of_one: usize) -> Self {
        Self { by: Arc::default(), most, most_of_one }
    }

    /// Takes a permit of `count` for a key; none at the limit.
    fn take(&self, whose: K, count: usize) -> Option<Permit<K>> {
        let mut by = lock(&self.by);
        let (all, of) = &mut *by;
        let of_one = of.get(&whose).copied().unwrap_or_default();
        if *all + count > self.most || of_one + count > self.most_of_one {
            return None;
        }
        *all += count;
        of.insert(whose, of_one + count);
        Some(Permit { by: self.by.clone(), whose, count })
    }
}

fn lock<K>(by: &HeldCounts<K>) -> MutexGuard<'_, (usize, HashMap<K, usize>)> {
    by.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A permit, which dropping it gives back.
pub(crate) struct Permit<K: Hash + Eq + Copy> {
    by: HeldCounts<K>,
    whose: K,
    count: usize,
}

impl<K: Hash + Eq + Copy> Drop for Permit<K> {
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

/// A semaphore for each key, on which further requests of the same key wait.
struct PerKeyQueues<K> {
    by: Mutex<HashMap<K, Arc<Semaphore>>>,
    most_of_one: usize,
}

impl<K: Hash + Eq + Copy> PerKeyQueues<K> {
    fn new(most_of_one: usize) -> Self {
        Self { by: Mutex::default(), most_of_one }
    }

    /// Waits for a permit of a key; none after [`LONGEST_WAIT`].
    async fn acquire(&self, whose: K) -> Option<OwnedSemaphorePermit> {
        timeout(LONGEST_WAIT, self.of(whose).acquire_owned()).await.ok()?.ok()
    }

    fn of(&self, whose: K) -> Arc<Semaphore> {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        if by.len() >= MAX_TRACKED {
            // A permit that is held or awaited holds its semaphore.
            by.retain(|_, limits| Arc::strong_count(limits) > 1);
        }
        by.entry(whose).or_insert_with(|| Arc::new(Semaphore::new(self.most_of_one))).clone()
    }
}

/// The permits of a request.
pub(crate) enum RequestPermit {
    /// The permit of an engineer's request, and that of a read.
    Engineer(
        #[allow(dead_code, reason = "held for its drop")] Permit<EngineerId>,
        #[allow(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>,
    ),
    /// The permit of a request without a key.
    Unauthenticated(#[allow(dead_code, reason = "held for its drop")] Permit<IpAddr>),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_of_one_engineer_queue_and_others_do_not_wait_for_them() {
        let limits = ConcurrencyLimits::new(4_096);
        let (ana, ben) = (EngineerId::MIN, EngineerId::MAX);
        let mut held = Vec::new();
        for _ in 0..MAX_READS_OF_ENGINEER {
            held.push(limits.read_permit(ana).await.unwrap());
        }
        assert!(limits.read_permit(ben).await.is_ok());
        let mut waits = std::pin::pin!(limits.read_permit(ana));
        assert!(futures::poll!(waits.as_mut()).is_pending(), "all permits are taken");
        held.pop();
        assert!(waits.await.is_ok(), "a permit was given back");
    }

    #[test]
    fn sockets_of_one_engineer_leave_half_of_them_to_others() {
        let limits = ConcurrencyLimits::new(100);
        let (ana, ben) = (EngineerId::MIN, EngineerId::MAX);
        let of_ana: Vec<_> = std::iter::from_fn(|| limits.socket(ana).ok()).collect();
        let of_ben: Vec<_> = std::iter::from_fn(|| limits.socket(ben).ok()).collect();
        assert_eq!((of_ana.len(), of_ben.len()), (50, 50));
        drop(of_ana);
        assert!(limits.socket(EngineerId(uuid::Uuid::from_u128(7))).is_ok());
    }

    #[test]
    fn requests_without_a_key_have_few_permits_and_one_address_not_all_of_them() {
        let limits = ConcurrencyLimits::new(4_096);
        let from = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let mut held = Vec::new();
        while let Ok(permit) = limits.unauthenticated(from(1)) {
            held.push(permit);
        }
        assert_eq!(held.len(), MAX_UNAUTHENTICATED_OF_NETWORK);
        for other in 2..100 {
            held.extend(std::iter::from_fn(|| limits.unauthenticated(from(other)).ok()));
        }
        assert_eq!(held.len(), MAX_UNAUTHENTICATED);
        assert!(limits.request(EngineerId::MIN).is_ok(), "requests with a key have other permits");
        held.clear();
        assert!(limits.unauthenticated(from(1)).is_ok());
        assert!(limits.unauthenticated.by.lock().unwrap().1.is_empty(), "nobody is remembered");
    }
}
