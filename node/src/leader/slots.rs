//! The reply slots of this node: each write that came without a client's key holds one of them while this node proposes
//! it and retries. Kept in memory only: after a restart, nobody waits for an answer to an earlier write.

use nexus_domain::{
    NodeId,
    reply_cache::{ReplySlot, Request, SequenceId},
};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Low bits of a sequence, which count requests; the bits above them count the starts of the node. At 1,000 requests a
/// second they last for 35 years.
const REQUEST_BITS: u32 = 40;
/// Slots of one node: several times the requests that it handles at once. It bounds what the cluster remembers.
const MAX_SLOTS: u16 = 16_384;
/// A slot cools down for this many times the longest time that a request is retried.
const COOL_DOWN_FACTOR: u32 = 3;

/// The slots of this node.
pub(crate) struct Slots {
    node: NodeId,
    /// Random, another one at each start of the node.
    start: u64,
    /// A slot whose request may still be under way cools down for this long after it was taken. A new request in the
    /// slot would have the old one refused, although the old one may still be applied.
    cool_down: Duration,
    pool: Mutex<Pool>,
}

struct Pool {
    /// Free slots. The one that was freed last is taken next, so that few slots are ever in use.
    free: Vec<u16>,
    /// Slots that cool down, with the time from which on each is free. The earliest comes first.
    cooling_down: VecDeque<(Instant, u16)>,
    /// The lowest slot that was never taken.
    fresh: u16,
    /// The sequence of the last request.
    sequence: u64,
}

/// A slot that one request holds, until it is dropped.
pub(crate) struct TakenSlot<'a> {
    slots: &'a Slots,
    slot: ReplySlot,
    id: SequenceId,
    taken_at: Instant,
    is_settled: bool,
}

impl Slots {
    /// A pool in which every slot is free.
    ///
    /// `starts` says how often the node was started: its sequences continue above those of earlier starts, of which a
    /// late retry may still arrive. `start` is random. `longest` is how long a request is retried.
    pub(crate) fn new(node: NodeId, starts: u32, start: u64, longest: Duration) -> Self {
        let sequence = u64::from(starts) << REQUEST_BITS;
        let pool = Pool { free: Vec::new(), cooling_down: VecDeque::new(), fresh: 0, sequence };
        Self { node, start, cool_down: longest * COOL_DOWN_FACTOR, pool: Mutex::new(pool) }
    }

    /// Takes a free slot; none while all of them are taken. When no slot is free, the one that has cooled down for
    /// longest is taken early: a request that somebody waits for comes before one that nobody waits for any more.
    pub(crate) fn take(&self, now: Instant) -> Option<TakenSlot<'_>> {
        let mut pool = self.lock();
        if let Some((free_from, number)) = pool.cooling_down.front().copied()
            && now >= free_from
        {
            pool.cooling_down.pop_front();
            pool.free.push(number);
        }
        let number = if let Some(number) = pool.free.pop() {
            number
        } else if pool.fresh < MAX_SLOTS {
            pool.fresh += 1;
            pool.fresh - 1
        } else {
            pool.cooling_down.pop_front()?.1
        };
        pool.sequence += 1;
        let id = SequenceId { sequence: pool.sequence, start: self.start };
        let slot = ReplySlot { node: self.node, number };
        Some(TakenSlot { slots: self, slot, id, taken_at: now, is_settled: false })
    }

    /// Continues above a sequence that this node has used but does not remember, because its data folder was replaced
    /// by an older copy.
    pub(crate) fn continue_above(&self, sequence: u64) {
        let mut pool = self.lock();
        pool.sequence = pool.sequence.max(sequence);
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TakenSlot<'_> {
    /// The identity of the request that holds this slot.
    pub(crate) fn request(&self) -> Request {
        Request::Slotted { slot: self.slot, id: self.id }
    }

    /// Frees the slot for the next request at once, because the outcome of this one is certain.
    pub(crate) fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for TakenSlot<'_> {
    fn drop(&mut self) {
        let mut pool = self.slots.lock();
        if self.is_settled {
            pool.free.push(self.slot.number);
        } else {
            pool.cooling_down.push_back((self.taken_at + self.slots.cool_down, self.slot.number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(4);

    fn of_start(starts: u32) -> Slots {
        Slots::new(NodeId(3), starts, u64::from(starts), LONGEST)
    }

    fn taken(slots: &Slots, now: Instant) -> TakenSlot<'_> {
        slots.take(now).expect("there are free ones")
    }

    #[test]
    fn a_slot_is_taken_again_once_the_outcome_is_certain_and_with_a_higher_sequence() {
        let (slots, now) = (of_start(1), Instant::now());
        let (first, second) = (taken(&slots, now), taken(&slots, now));
        assert_eq!((first.slot.number, second.slot.number), (0, 1));
        assert!(second.id.sequence > first.id.sequence);
        first.settle();
        let third = taken(&slots, now);
        assert!(third.slot.number == 0 && third.id.sequence > second.id.sequence);
        let next_start = of_start(2);
        assert!(taken(&next_start, now).id.sequence > third.id.sequence);
    }

    #[test]
    fn a_slot_whose_request_may_still_be_on_its_way_cools_down() {
        let (slots, now) = (of_start(1), Instant::now());
        drop(taken(&slots, now));
        let other = taken(&slots, now + LONGEST);
        assert_eq!(other.slot.number, 1);
        assert_eq!(taken(&slots, now + LONGEST * 3).slot.number, 0);
    }

    #[test]
    fn there_are_so_many_slots_and_live_requests_come_first() {
        let (slots, now) = (of_start(1), Instant::now());
        drop(taken(&slots, now));
        let live: Vec<TakenSlot<'_>> = (1..MAX_SLOTS).map(|_| taken(&slots, now)).collect();
        let early = taken(&slots, now);
        assert_eq!(early.slot.number, 0);
        assert!(slots.take(now).is_none(), "all of them are taken");
        drop(live);
    }

    #[test]
    fn an_older_copy_of_the_folder_continues_above_what_it_forgot() {
        let (slots, now) = (of_start(1), Instant::now());
        let forgotten = taken(&slots, now).id.sequence + 1_000;
        slots.continue_above(forgotten);
        assert!(taken(&slots, now).id.sequence > forgotten);
    }
}
