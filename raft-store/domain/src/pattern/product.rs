//! Walks the product of two automata in search of a path that both accept. Every compared pair of states is charged.

use super::{
    automaton::{ACCEPT, Automaton},
    visited::Visited,
};
use crate::work::{OutOfBudget, WorkBudget};

/// Steps of comparing two states: about as long as reading a character.
const COMPARISON: usize = 3;
/// Steps of expanding a new pair of states.
const NEW_PAIR: usize = 10;

/// One side of a walk: an automaton and its current states, in the order of a follower set.
#[derive(Clone, Copy)]
pub(super) struct Walker<'a> {
    pub(super) automaton: &'a Automaton,
    pub(super) at: &'a [u16],
}

/// The part of a path component that was read. No component may be just `.` or `..`, although a pattern like `?` would
/// allow it. Every character except a dot leads to `Name`, which allows everything that the others do, so one character
/// for each pair of states is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Component {
    Start,
    Dot,
    DotDot,
    Name,
}

const COMPONENTS: usize = 4;

/// A pair of states that was reached, with the way to it.
struct Step {
    left: u16,
    right: u16,
    read: char,
    /// The part of a component that was read by then.
    component: Component,
    /// The index of the step before; its own for the first one.
    before: usize,
}

/// Searches a text that both automata accept, and that may follow `fixed` in a path.
///
/// # Errors
/// If the budget is used up before.
pub(super) fn meet(
    fixed: &str,
    left: Walker<'_>,
    right: Walker<'_>,
    work: &mut WorkBudget,
) -> Result<Option<String>, OutOfBudget> {
    let component = if fixed.is_empty() || fixed.ends_with('/') { Component::Start } else { Component::Name };
    if both_end(left.at, right.at, component, work)? {
        return Ok(Some(String::new()));
    }
    let mut search = Search::new(left.automaton, right.automaton);
    search.enter(left.at, right.at, component, None, work)?;
    while let Some(step) = search.open.pop() {
        let (lefts, rights, component) = search.after(step);
        if both_end(lefts, rights, component, work)? {
            return Ok(Some(search.path_to(step)));
        }
        search.enter(lefts, rights, component, Some(step), work)?;
    }
    Ok(None)
}

/// Walks the product of an automaton with itself, beyond every accepting state: half of the cost of finding that it
/// shares no path with another one of its size.
///
/// # Errors
/// If that takes more than the budget.
pub(super) fn meet_itself(automaton: &Automaton, work: &mut WorkBudget) -> Result<(), OutOfBudget> {
    let mut search = Search::new(automaton, automaton);
    let start = automaton.start();
    // The walk begins within a name, which allows everything that the start of a component does.
    search.enter(start, start, Component::Name, None, work)?;
    while let Some(step) = search.open.pop() {
        let (lefts, rights, component) = search.after(step);
        search.enter(lefts, rights, component, Some(step), work)?;
    }
    Ok(())
}

/// Whether a path may end in both states.
fn both_end(
    lefts: &[u16],
    rights: &[u16],
    component: Component,
    work: &mut WorkBudget,
) -> Result<bool, OutOfBudget> {
    work.charge(lefts.len() + rights.len())?;
    Ok(component == Component::Name && lefts.contains(&ACCEPT) && rights.contains(&ACCEPT))
}

impl Component {
    /// The part after one more character; `None` if no path continues with it.
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
    is_with_itself: bool,
    /// The visited pairs of states, with the part of a component that was read.
    visited: Visited,
    steps: Vec<Step>,
    /// The steps to expand, the newest first, which finds an end soon.
    open: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(left: &'a Automaton, right: &'a Automaton) -> Self {
        let is_with_itself = std::ptr::eq(left, right);
        Self { left, right, is_with_itself, visited: Visited::default(), steps: Vec::new(), open: Vec::new() }
    }

    /// The states that may follow a step on each side, and the part of a component.
    fn after(&self, step: usize) -> (&'a [u16], &'a [u16], Component) {
        let Step { left, right, component, .. } = self.steps[step];
        (self.left.after(left), self.right.after(right), component)
    }

    /// Adds every new pair that can read the same character: each state of the smaller set with those of the larger one
    /// that may read it.
    fn enter(
        &mut self,
        lefts: &[u16],
        rights: &[u16],
        component: Component,
        before: Option<usize>,
        work: &mut WorkBudget,
    ) -> Result<(), OutOfBudget> {
        let (left, right) = (self.left, self.right);
        let is_left_smaller = lefts.len() <= rights.len();
        for &state in if is_left_smaller { lefts } else { rights } {
            let candidates = match is_left_smaller {
                true => right.candidates(rights, left, state),
                false => left.candidates(lefts, right, state),
            };
            let count = candidates.iter().map(|some| some.len()).sum::<usize>();
            work.charge(COMPARISON * (1 + count))?;
            for &peer in candidates.into_iter().flatten() {
                let (at_left, at_right) = if is_left_smaller { (state, peer) } else { (peer, state) };
                let Some(read) = left.common_char(at_left, right, at_right, work)? else {
                    continue;
                };
                if let Some(component) = component.read(read) {
                    self.open_pair(at_left, at_right, read, component, before, work)?;
                }
            }
        }
        Ok(())
    }

    fn open_pair(
        &mut self,
        left: u16,
        right: u16,
        read: char,
        component: Component,
        before: Option<usize>,
        work: &mut WorkBudget,
    ) -> Result<(), OutOfBudget> {
        // In the product of an automaton with itself, the order of two states does not matter.
        let (left, right) =
            if self.is_with_itself { (left.min(right), left.max(right)) } else { (left, right) };
        let pair = usize::from(left) * self.right.len() + usize::from(right);
        if self.visited.insert(pair * COMPONENTS + component as usize) {
            work.charge(NEW_PAIR)?;
            let step = self.steps.len();
            self.steps.push(Step { left, right, read, component, before: before.unwrap_or(step) });
            self.open.push(step);
        }
        Ok(())
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
