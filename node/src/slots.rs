//! The slots of this node in the reply table: one for each write that it tries and that has no key of its client.
//! Only in memory: of a node that starts anew nobody waits for an answer any more.

use nexus_domain::{
    NodeId,
    replies::{Request, Slot},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bits of a sequence that count requests; the starts of the node are above them. A start lasts for 35 years at
/// 1,000 requests a second.
const REQUEST_BITS: u32 = 40;

/// The slots of this node.
pub(crate) struct Slots {
    node: NodeId,
    held: Mutex<Held>,
}

struct Held {
    /// Slots that are free; the one that was freed last is taken next, so that few are in use.
    free: Vec<u16>,
    /// The lowest one that was never taken.
    fresh: u16,
    /// That of the next request.
    sequence: u64,
}

/// A slot that one request has. Free again once it is dropped: its node has its answer, or has given it up.
pub(crate) struct Taken<'a> {
    slots: &'a Slots,
    number: u16,
    sequence: u64,
}

impl Slots {
    /// All free. `starts` tells how often the node was started: its sequences go on above those of before, of which
    /// a late try may still be on its way.
    pub(crate) fn new(node: NodeId, starts: u32) -> Self {
        let sequence = u64::from(starts) << REQUEST_BITS;
        Self { node, held: Mutex::new(Held { free: Vec::new(), fresh: 0, sequence }) }
    }

    /// A free slot; none while 65,535 are taken.
    pub(crate) fn take(&self) -> Option<Taken<'_>> {
        let mut held = self.lock();
        let number = match held.free.pop() {
            Some(number) => number,
            None => {
                let number = held.fresh;
                held.fresh = number.checked_add(1)?;
                number
            }
        };
        held.sequence += 1;
        Some(Taken { slots: self, number, sequence: held.sequence })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// The identity of the request that has this slot.
    pub(crate) fn request(&self) -> Request {
        let slot = Slot { node: self.slots.node, number: self.number };
        Request::Slotted { slot, sequence: self.sequence }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.slots.lock().free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_taken_again_once_it_is_free_and_with_a_higher_sequence() {
        let slots = Slots::new(NodeId(3), 1);
        let (first, second) = (slots.take(), slots.take());
        let numbers = |taken: &Option<Taken<'_>>| taken.as_ref().map(|taken| (taken.number, taken.sequence));
        let began = 1 << REQUEST_BITS;
        assert_eq!((numbers(&first), numbers(&second)), (Some((0, began + 1)), Some((1, began + 2))));
        drop(first);
        let third = slots.take();
        assert_eq!(numbers(&third), Some((0, began + 3)));
        assert!(
            Slots::new(NodeId(3), 2).take().is_some_and(|next| next.sequence > began + 3),
            "of the next start"
        );
    }
}
