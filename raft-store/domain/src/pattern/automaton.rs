//! A compiled glob: reads paths one character at a time. Never backtracks, so that no pattern can
//! make it slow: a step costs at most the number of states.
//!
//! It is a position automaton: a state stands for one place in the pattern that is about to read
//! a character, so there are no empty moves when it runs. Source: Glushkov, *The abstract theory of
//! automata* (1961).

use super::charset::CharSet;

/// The state in which a path is complete. It reads nothing.
pub(super) const ACCEPT: u16 = 0;

/// A compiled glob, or the remainder of one.
pub(super) struct Automaton {
    pub(super) states: Box<[State]>,
    /// The states that may follow, set after set.
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

/// What a state reads.
#[derive(Clone, Copy)]
pub(super) enum Label {
    Char(char),
    NotSlash,
    Set(u16),
}

impl Automaton {
    /// The states before anything was read.
    pub(super) fn start(&self) -> &[u16] {
        self.set(self.start)
    }

    /// The states after `state` has read its character.
    pub(super) fn after(&self, state: u16) -> &[u16] {
        self.set(self.states[usize::from(state)].then)
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether it accepts exactly `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.advance(text).contains(&ACCEPT)
    }

    /// The states that may be reached by reading `text`; none: no path begins so.
    pub(super) fn advance(&self, text: &str) -> Vec<u16> {
        let mut current = self.start().to_vec();
        let mut next: Vec<u16> = Vec::new();
        // The step at which a state was last entered, so that it is entered once a step.
        let mut entered = vec![0_u32; self.len()];
        for (step, c) in (1..).zip(text.chars()) {
            for &state in &current {
                if !self.reads(state, c) {
                    continue;
                }
                for &follower in self.after(state) {
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
        current
    }

    /// A character that `state` and the other automaton's `peer` both read; a dot only if they
    /// share nothing else.
    pub(super) fn common_char(&self, state: u16, other: &Self, peer: u16) -> Option<char> {
        if state == ACCEPT || peer == ACCEPT {
            return None;
        }
        match (self.label(state), other.label(peer)) {
            (Label::Char(c), _) => other.reads(peer, c).then_some(c),
            (_, Label::Char(c)) => self.reads(state, c).then_some(c),
            // Any would do; this one reads well in an example.
            (Label::NotSlash, Label::NotSlash) => Some('x'),
            (Label::Set(set), Label::NotSlash) => self.sets[usize::from(set)].any(),
            (Label::NotSlash, Label::Set(set)) => other.sets[usize::from(set)].any(),
            (Label::Set(mine), Label::Set(theirs)) => {
                self.sets[usize::from(mine)].any_common(&other.sets[usize::from(theirs)])
            }
        }
    }

    fn reads(&self, state: u16, c: char) -> bool {
        state != ACCEPT
            && match self.label(state) {
                Label::Char(expected) => c == expected,
                Label::NotSlash => c != '/',
                Label::Set(set) => self.sets[usize::from(set)].contains(c),
            }
    }

    fn label(&self, state: u16) -> Label {
        self.states[usize::from(state)].reads
    }

    fn set(&self, edges: Edges) -> &[u16] {
        &self.edges[usize::from(edges.from)..usize::from(edges.to)]
    }
}
