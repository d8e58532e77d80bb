//! Records every entry that any node of this thread applies, and compares what the nodes have made of it. It takes the
//! place of the rules, which it calls, so that it sees each entry at the moment at which a state machine applies it.

use crate::rot;
use nexus_domain::{Answer, Applied, Proposal, Recorded, Revision, State};
use std::{cell::RefCell, collections::BTreeMap};

/// An entry of the log, as the first node that applied it did.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The proposal as it is in the log.
    pub proposal: Proposal,
    /// The answer that applying it gave.
    pub answer: Answer,
    /// The events that it caused, in order.
    pub events: Vec<Recorded>,
    /// When a node applied it first, in milliseconds since the beginning of the world.
    pub applied_at: u64,
}

/// A record of all that was applied so far.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The entries by their indexes. Blank and membership entries are not among them.
    pub entries: BTreeMap<Revision, Entry>,
    /// The findings: two nodes that differ, or a state that contradicts itself.
    pub violations: Vec<String>,
    place: usize,
    now: u64,
}

impl Record {
    /// The part of the record with these entries.
    pub fn with(&self, is_in: impl Fn(Revision) -> bool) -> Self {
        let entries = self.entries.iter().filter(|(revision, _)| is_in(**revision));
        let entries = entries.map(|(revision, entry)| (*revision, entry.clone())).collect();
        Self { entries, ..Self::default() }
    }
}

thread_local! {
    static RECORD: RefCell<Record> = RefCell::default();
}

/// Says which node runs from now on, and at what time.
pub(crate) fn enter(place: usize, now: u64) {
    RECORD.with_borrow_mut(|record| (record.place, record.now) = (place, now));
}

/// The node that runs now.
pub fn place() -> usize {
    RECORD.with_borrow(|record| record.place)
}

/// Reads what was recorded.
pub fn read<T>(reader: impl FnOnce(&Record) -> T) -> T {
    RECORD.with_borrow(reader)
}

/// The rules of every node of a simulation: those of Nexus, and a note of what they did.
pub fn apply(state: &mut State, revision: Revision, proposal: &Proposal) -> Applied {
    let (place, now) = RECORD.with_borrow(|record| (record.place, record.now));
    rot::strike(place, now, revision, state);
    let applied = nexus_domain::apply(state, revision, proposal);
    note(state, revision, proposal, &applied);
    applied
}

/// Notes that a promise is broken.
pub(crate) fn violated(what: String) {
    RECORD.with_borrow_mut(|record| record.violations.push(what));
}

/// Notes what a node has applied.
pub fn note(state: &State, revision: Revision, proposal: &Proposal, applied: &Applied) {
    RECORD.with_borrow_mut(|record| {
        let (place, now) = (record.place, record.now);
        // The others say what the entry does.
        if rot::is_in_doubt(place) {
            return;
        }
        if let Some(first) = record.entries.get(&revision) {
            let is_same = first.proposal == *proposal
                && first.answer == applied.answer
                && first.events == applied.events;
            if !is_same {
                let found = format!(
                    "node {place} applied another entry at index {revision} than the first node did:\n  first {:?} -> \
                     {:?}\n  now   {proposal:?} -> {:?}",
                    first.proposal, first.answer, applied.answer
                );
                record.violations.push(found);
            }
            return;
        }
        if let Err(broken) = state.check_invariants() {
            record.violations.push(format!("the state of node {place} is inconsistent at index {revision}: {broken:?}"));
        }
        let entry = Entry {
            proposal: proposal.clone(),
            answer: applied.answer.clone(),
            events: applied.events.clone(),
            applied_at: now,
        };
        record.entries.insert(revision, entry);
    });
}
