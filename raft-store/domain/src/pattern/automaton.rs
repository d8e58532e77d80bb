//! A compiled glob, which reads a path one character at a time. It never backtracks: a character costs at most the
//! number of edges, and every examined state and edge is charged.
//!
//! It is a position automaton: a state stands for one position in the pattern that is about to read a character, so
//! there are no empty moves when it runs. Source: Glushkov, *The abstract theory of automata* (1961).

use super::charset::CharSet;
use crate::work::{OutOfBudget, WorkBudget};

/// The accepting state, which reads nothing.
pub(super) const ACCEPT: u16 = 0;

/// States that are cleared in one step.
const STATES_PER_STEP: usize = 32;

/// The bytes of a state, of an edge, of a set on the heap and of a range in it. They are constants and not `size_of`,
/// since the rules must be the same on every machine.
const STATE_BYTES: usize = 12;
const EDGE_BYTES: usize = 2;
const SET_BYTES: usize = 40;
const RANGE_BYTES: usize = 8;

/// A compiled glob, or the remainder of one behind its fixed text.
pub(super) struct Automaton {
    pub(super) states: Box<[State]>,
    /// The follower sets, one after the other. Each has first the states that may read several characters, then those
    /// that read one, sorted by that character.
    pub(super) edges: Box<[u16]>,
    pub(super) sets: Box<[CharSet]>,
    pub(super) start: Edges,
}

#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) reads: Label,
    pub(super) then: Edges,
}

/// A range of `Automaton::edges`.
#[derive(Clone, Copy, Default)]
pub(super) struct Edges {
    pub(super) from: u16,
    pub(super) to: u16,
}

/// The characters that a state reads.
#[derive(Clone, Copy)]
pub(super) enum Label {
    Char(char),
    NotSlash,
    Set(u16),
}

impl Label {
    /// The only character that it reads; `None` if there may be several.
    pub(super) const fn exact(self) -> Option<char> {
        match self {
            Self::Char(c) => Some(c),
            Self::NotSlash | Self::Set(_) => None,
        }
    }
}

impl Automaton {
    /// The start states.
    pub(super) fn start(&self) -> &[u16] {
        self.set(self.start)
    }

    /// The states that follow when `state` has read its character.
    pub(super) fn after(&self, state: u16) -> &[u16] {
        self.set(self.states[usize::from(state)].then)
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// The estimated bytes of its states, edges and sets.
    pub(super) fn bytes(&self) -> usize {
        let sets: usize = self.sets.iter().map(|set| SET_BYTES + RANGE_BYTES * set.len()).sum();
        STATE_BYTES * self.states.len() + EDGE_BYTES * self.edges.len() + sets
    }

    /// Whether it accepts `text` as a whole.
    pub(super) fn matches(&self, text: &str, work: &mut WorkBudget) -> Result<bool, OutOfBudget> {
        Ok(self.advance(text, work)?.contains(&ACCEPT))
    }

    /// The states after reading `text`; none if no accepted path begins with it.
    pub(super) fn advance(&self, text: &str, work: &mut WorkBudget) -> Result<Vec<u16>, OutOfBudget> {
        let mut current = self.start().to_vec();
        let mut next: Vec<u16> = Vec::new();
        // The step at which a state was last entered, so that it is entered once in each step.
        work.charge(self.len() / STATES_PER_STEP)?;
        let mut entered = vec![0_u32; self.len()];
        for (step, c) in (1..).zip(text.chars()) {
            work.charge(1 + current.len())?;
            for &state in &current {
                if !self.reads(state, c) {
                    continue;
                }
                let followers = self.after(state);
                work.charge(followers.len())?;
                for &follower in followers {
                    if entered[usize::from(follower)] != step {
                        entered[usize::from(follower)] = step;
                        next.push(follower);
                    }
                }
            }
            current.clear();
            std::mem::swap(&mut current, &mut next);
            if current.is_empty() {
                break;
            }
        }
        Ok(current)
    }

    /// A character that `state` and the other automaton's `peer` both read. It is a dot only if they share nothing
    /// else.
    pub(super) fn common_char(
        &self,
        state: u16,
        other: &Self,
        peer: u16,
        work: &mut WorkBudget,
    ) -> Result<Option<char>, OutOfBudget> {
        if state == ACCEPT || peer == ACCEPT {
            return Ok(None);
        }
        Ok(match (self.label(state), other.label(peer)) {
            (Label::Char(c), _) => other.reads(peer, c).then_some(c),
            (_, Label::Char(c)) => self.reads(state, c).then_some(c),
            // Any character would do; this one looks well in an example.
            (Label::NotSlash, Label::NotSlash) => Some('x'),
            (Label::Set(set), Label::NotSlash) => self.sets[usize::from(set)].any(),
            (Label::NotSlash, Label::Set(set)) => other.sets[usize::from(set)].any(),
            (Label::Set(mine), Label::Set(theirs)) => {
                let (mine, theirs) = (&self.sets[usize::from(mine)], &other.sets[usize::from(theirs)]);
                work.charge(mine.len() + theirs.len())?;
                mine.any_common(theirs)
            }
        })
    }

    fn reads(&self, state: u16, c: char) -> bool {
        state != ACCEPT
            && match self.label(state) {
                Label::Char(expected) => c == expected,
                Label::NotSlash => c != '/',
                Label::Set(set) => self.sets[usize::from(set)].contains(c),
            }
    }

    /// Sorts states in the order of a follower set.
    pub(super) fn sort(&self, states: &mut [u16]) {
        states.sort_unstable_by_key(|&state| (self.label(state).exact(), state));
    }

    /// The states of a follower set that may read what `reader` of another automaton reads: all of them, or those that
    /// read several characters, and those that read exactly this one.
    pub(super) fn candidates<'s>(&self, set: &'s [u16], other: &Self, reader: u16) -> [&'s [u16]; 2] {
        let Some(c) = other.label(reader).exact() else { return [set, &[]] };
        let exact = |state: &u16| self.label(*state).exact();
        let (several, single) = set.split_at(set.partition_point(|state| exact(state).is_none()));
        let from = single.partition_point(|state| exact(state) < Some(c));
        let count = single[from..].partition_point(|state| exact(state) == Some(c));
        [several, &single[from..from + count]]
    }

    fn label(&self, state: u16) -> Label {
        self.states[usize::from(state)].reads
    }

    fn set(&self, edges: Edges) -> &[u16] {
        &self.edges[usize::from(edges.from)..usize::from(edges.to)]
    }
}
