//! Walks two automata together in search of a path that both accept. Never walks without end: every pair of
//! states that is compared is charged.

use super::{
    automaton::{ACCEPT, Automaton},
    visited::Visited,
};
use crate::work::{OutOfBudget, WorkBudget};

/// Steps of comparing two states: about what a character takes elsewhere.
const COMPARISON: usize = 3;
/// Steps of going on from a pair of states that was not met before.
const NEW_PAIR: usize = 10;

/// One side of a walk: an automaton and the states it is in, in the order of a set of followers.
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
    /// What of a component was read by then.
    component: Component,
    /// Index of the step before; itself for the first.
    before: usize,
}

/// Looks for a text that takes both to their end, and may follow `fixed` in a path.
///
/// # Errors
/// When the budget is used up before it is settled whether there is one.
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

/// Walks an automaton together with itself, past every end: half of what it costs to find out that another one,
/// which is as long-winded, shares no path with it.
///
/// # Errors
/// When that is more than the budget.
pub(super) fn meet_itself(automaton: &Automaton, work: &mut WorkBudget) -> Result<(), OutOfBudget> {
    let mut search = Search::new(automaton, automaton);
    let start = automaton.start();
    // As a name that has begun: it allows all that a start of a component does.
    search.enter(start, start, Component::Name, None, work)?;
    while let Some(step) = search.open.pop() {
        let (lefts, rights, component) = search.after(step);
        search.enter(lefts, rights, component, Some(step), work)?;
    }
    Ok(())
}

/// Whether a path may end for both.
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
    is_with_itself: bool,
    /// Pairs of states and what of a component was read.
    visited: Visited,
    steps: Vec<Step>,
    /// Steps whose followers are yet to be looked at; the newest first, which finds an end soon.
    open: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(left: &'a Automaton, right: &'a Automaton) -> Self {
        let is_with_itself = std::ptr::eq(left, right);
        Self { left, right, is_with_itself, visited: Visited::default(), steps: Vec::new(), open: Vec::new() }
    }

    /// What each of them may read after a step, and where in a component that is.
    fn after(&self, step: usize) -> (&'a [u16], &'a [u16], Component) {
        let Step { left, right, component, .. } = self.steps[step];
        (self.left.after(left), self.right.after(right), component)
    }

    /// Opens every new pair that can read something together: each state of the smaller set with those of the
    /// larger one that may read the same.
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
        // Of an automaton and itself, two states meet in one order as in the other.
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
