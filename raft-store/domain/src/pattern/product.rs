//! Walks two automata together in search of a path that both accept. Never walks without end: a
//! pair that is too much work is called a collision, since a missed one would be worse.

use super::automaton::{ACCEPT, Automaton};

/// The most pairs of states to compare in one walk, which keeps the worst near a millisecond. Two
/// everyday globs need a few hundred.
const MAX_COMPARISONS: usize = 1 << 16;

/// What came out of a walk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    /// No path is accepted by both.
    Apart,
    /// Both accept this remainder of a path.
    At(String),
    /// Not settled within the limit.
    Unsettled,
}

/// One side of a walk: an automaton and the states it is in.
#[derive(Clone, Copy)]
pub(super) struct Walker<'a> {
    pub(super) automaton: &'a Automaton,
    pub(super) at: &'a [u16],
}

/// What of a path's component was read: none may be just `.` or `..`, though a pattern like `?`
/// would allow it. A character but a dot leads to `Name`, which allows all that the others do, so
/// one character for each pair of states is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Component {
    Start,
    Dot,
    DotDot,
    Name,
}

const COMPONENTS: usize = 4;

/// A pair of states that was reached, and how.
struct Step {
    left: u16,
    right: u16,
    read: char,
    /// After reading.
    component: Component,
    /// Index of the step before; itself for the first.
    before: usize,
}

/// Looks for a text that takes both to their end, and may follow `fixed` in a path.
pub(super) fn meet(fixed: &str, left: Walker<'_>, right: Walker<'_>) -> Meeting {
    let component = if fixed.is_empty() || fixed.ends_with('/') { Component::Start } else { Component::Name };
    let mut search = Search {
        left: left.automaton,
        right: right.automaton,
        visited: vec![0; (left.automaton.len() * right.automaton.len() * COMPONENTS).div_ceil(64)],
        steps: Vec::new(),
        open: Vec::new(),
        comparisons: 0,
    };
    if search.enter(left.at, right.at, component, None) {
        return Meeting::At(String::new());
    }
    loop {
        // Before the question whether anything is open: `enter` may have given up halfway.
        if search.comparisons > MAX_COMPARISONS {
            return Meeting::Unsettled;
        }
        let Some(step) = search.open.pop() else {
            return Meeting::Apart;
        };
        let Step { left, right, component, .. } = search.steps[step];
        let (lefts, rights) = (search.left.after(left), search.right.after(right));
        if search.enter(lefts, rights, component, Some(step)) {
            return Meeting::At(search.path_to(step));
        }
    }
}

impl Component {
    /// `None`: no path reads on like this.
    fn read(self, c: char) -> Option<Self> {
        match (c, self) {
            ('/', Self::Name) => Some(Self::Start),
            ('/', _) => None,
            ('.', Self::Start) => Some(Self::Dot),
            ('.', Self::Dot) => Some(Self::DotDot),
            _ => Some(Self::Name),
        }
    }
}

struct Search<'a> {
    left: &'a Automaton,
    right: &'a Automaton,
    /// One bit for each pair of states and what of a component was read.
    visited: Vec<u64>,
    steps: Vec<Step>,
    /// Steps whose followers are yet to be looked at; the newest first, which finds an end soon.
    open: Vec<usize>,
    comparisons: usize,
}

impl Search<'_> {
    /// Opens every new pair that can read something together. True: both may end here.
    fn enter(&mut self, lefts: &[u16], rights: &[u16], component: Component, before: Option<usize>) -> bool {
        let is_complete = component == Component::Name;
        if is_complete && lefts.contains(&ACCEPT) && rights.contains(&ACCEPT) {
            return true;
        }
        for &left in lefts {
            self.comparisons += rights.len();
            if self.comparisons > MAX_COMPARISONS {
                return false;
            }
            for &right in rights {
                let Some(read) = self.left.common_char(left, self.right, right) else {
                    continue;
                };
                let Some(component) = component.read(read) else {
                    continue;
                };
                let pair = usize::from(left) * self.right.len() + usize::from(right);
                let slot = pair * COMPONENTS + component as usize;
                let (word, bit) = (slot / 64, 1 << (slot % 64));
                if self.visited[word] & bit == 0 {
                    self.visited[word] |= bit;
                    let step = self.steps.len();
                    self.steps.push(Step { left, right, read, component, before: before.unwrap_or(step) });
                    self.open.push(step);
                }
            }
        }
        false
    }

    fn path_to(&self, last: usize) -> String {
        let (mut path, mut step) = (Vec::new(), last);
        loop {
            path.push(self.steps[step].read);
            let before = self.steps[step].before;
            if before == step {
                break;
            }
            step = before;
        }
        path.iter().rev().collect()
    }
}
