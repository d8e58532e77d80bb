//! The slots of this node in the reply table: one for each write that it tries and that has no key of its client.
//! Only in memory: of a node that starts anew nobody waits for an answer any more.

use nexus_domain::{
    NodeId,
    reply_cache::{ReplySlot, Request, Turn},
};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Bits of a sequence that count requests; the starts of the node are above them. A start lasts for 35 years at
/// 1,000 requests a second.
const REQUEST_BITS: u32 = 40;
/// Slots of one node: several times the requests that it takes in at once, and a bound on what a cluster keeps.
const MOST: u16 = 16_384;

/// The slots of this node.
pub(crate) struct Slots {
    node: NodeId,
    /// Random, of this start.
    start: u64,
    /// A slot whose request may still be on its way is not taken again for so long after it was taken: another
    /// request in it would have that one refused, of which nobody was told that it failed.
    aside: Duration,
    held: Mutex<Held>,
}

struct Held {
    /// Slots that are free; the one that was freed last is taken next, so that few are in use.
    free: Vec<u16>,
    /// Slots that will be, from when on.
    aside: VecDeque<(Instant, u16)>,
    /// The lowest one that was never taken.
    fresh: u16,
    /// That of the last request.
    sequence: u64,
}

/// A slot that one request has.
pub(crate) struct Taken<'a> {
    slots: &'a Slots,
    slot: ReplySlot,
    turn: Turn,
    taken: Instant,
    is_settled: bool,
}

impl Slots {
    /// All free. `starts` tells how often the node was started: its sequences go on above those of before, of which
    /// a late try may still be on its way. `start` is random. `longest` is how long a request is tried.
    pub(crate) fn new(node: NodeId, starts: u32, start: u64, longest: Duration) -> Self {
        let sequence = u64::from(starts) << REQUEST_BITS;
        let held = Held { free: Vec::new(), aside: VecDeque::new(), fresh: 0, sequence };
        Self { node, start, aside: longest * 3, held: Mutex::new(held) }
    }

    /// A free slot; none while all of them are taken. When too many are left alone, the one that was for longest is
    /// taken again early: a request that somebody waits for comes before one that nobody does.
    pub(crate) fn take(&self, now: Instant) -> Option<Taken<'_>> {
        let mut held = self.lock();
        if let Some((free_from, number)) = held.aside.front().copied()
            && now >= free_from
        {
            held.aside.pop_front();
            held.free.push(number);
        }
        let number = if let Some(number) = held.free.pop() {
            number
        } else if held.fresh < MOST {
            held.fresh += 1;
            held.fresh - 1
        } else {
            held.aside.pop_front()?.1
        };
        held.sequence += 1;
        let turn = Turn { sequence: held.sequence, start: self.start };
        let slot = ReplySlot { node: self.node, number };
        Some(Taken { slots: self, slot, turn, taken: now, is_settled: false })
    }

    /// Goes on above a sequence that this node has used although it does not know of it: its data folder was put
    /// back to an older copy.
    pub(crate) fn go_on_above(&self, sequence: u64) {
        let mut held = self.lock();
        held.sequence = held.sequence.max(sequence);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// The identity of the request that has this slot.
    pub(crate) fn request(&self) -> Request {
        Request::Slotted { slot: self.slot, turn: self.turn }
    }

    /// The outcome is certain: the next request may have the slot.
    pub(crate) fn settled(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut held = self.slots.lock();
        if self.is_settled {
            held.free.push(self.slot.number);
        } else {
            held.aside.push_back((self.taken + self.slots.aside, self.slot.number));
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

    fn taken(slots: &Slots, now: Instant) -> Taken<'_> {
        slots.take(now).expect("there are free ones")
    }

    #[test]
    fn a_slot_is_taken_again_once_the_outcome_is_certain_and_with_a_higher_sequence() {
        let (slots, now) = (of_start(1), Instant::now());
        let (first, second) = (taken(&slots, now), taken(&slots, now));
        assert_eq!((first.slot.number, second.slot.number), (0, 1));
        assert!(second.turn.sequence > first.turn.sequence);
        first.settled();
        let third = taken(&slots, now);
        assert!(third.slot.number == 0 && third.turn.sequence > second.turn.sequence);
        let next_start = of_start(2);
        assert!(taken(&next_start, now).turn.sequence > third.turn.sequence);
    }

    #[test]
    fn a_slot_whose_request_may_still_be_on_its_way_is_left_alone_for_a_while() {
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
        let live: Vec<Taken<'_>> = (1..MOST).map(|_| taken(&slots, now)).collect();
        let early = taken(&slots, now);
        assert_eq!(early.slot.number, 0);
        assert!(slots.take(now).is_none(), "all of them are taken");
        drop(live);
    }

    #[test]
    fn a_folder_of_before_goes_on_above_what_it_forgot() {
        let (slots, now) = (of_start(1), Instant::now());
        let forgotten = taken(&slots, now).turn.sequence + 1_000;
        slots.go_on_above(forgotten);
        assert!(taken(&slots, now).turn.sequence > forgotten);
    }
}
