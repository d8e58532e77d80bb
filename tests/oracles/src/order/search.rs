//! Searches an order that explains a history of one object, without knowing a log: the algorithm of Wing and Gong
//! ("Testing and Verifying Concurrent Objects", 1993), with the memoisation of Lowe ("Testing for linearizability",
//! 2017), as in Porcupine. It is meant for short histories: at worst it takes exponential time.

use std::{cmp::Reverse, collections::HashSet, hash::Hash};

/// Configurations that are looked at before the search gives up.
const MAX_CONFIGURATIONS: usize = 2_000_000;

/// An object that operations change one after the other.
pub trait Object: Clone + Eq + Hash {
    /// An operation together with its answer.
    type Operation;

    /// The object after this operation; `None` if the operation cannot have had its answer.
    fn after(&self, operation: &Self::Operation) -> Option<Self>;

    /// Whether an operation changes no object, whatever it is like.
    fn observes(operation: &Self::Operation) -> bool;
}

/// An operation with the time within which it took effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interval<O> {
    /// The time of the call.
    pub called: u64,
    /// The time of the answer. `None` for an unknown outcome: it took effect at any time after the call, or never.
    pub returned: Option<u64>,
    /// The operation with its answer.
    pub operation: O,
}

/// The outcome of a search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Searched {
    /// This order explains the history: the positions of the operations that took effect.
    Explained(Vec<usize>),
    /// No order explains it. The longest one that was found ends before one of the operations at `next`.
    Impossible {
        /// The longest order that was found.
        longest: Vec<usize>,
        /// The operations that could have been next, all with answers that are impossible there.
        next: Vec<usize>,
    },
    /// The search has given up.
    Undecided,
}

/// Searches an order of the operations that begins with this object. An operation that returned before another one was
/// called comes before it.
pub fn search<S: Object>(object: S, history: &[Interval<S::Operation>]) -> Searched {
    search_within(object, history, MAX_CONFIGURATIONS)
}

/// The same, but gives up after so many configurations.
pub fn search_within<S: Object>(object: S, history: &[Interval<S::Operation>], most: usize) -> Searched {
    let mut order = Order::of(history);
    let mut seen = HashSet::new();
    let (mut longest, mut next) = (Vec::new(), order.candidates());
    let mut steps = vec![Step { object, candidates: next.clone(), first_left: order.first_left }];
    while order.first_left < order.answered.len() {
        let Some(step) = steps.last_mut() else { return Searched::Impossible { longest, next } };
        let Some(at) = step.candidates.pop() else {
            steps.pop();
            if let Some(before) = steps.last() {
                order.take_back(before.first_left);
            }
            continue;
        };
        let Some(after) = step.object.after(&history[at].operation) else { continue };
        // What changes nothing now need not have happened now. It may change something later.
        if history[at].returned.is_none() && after == step.object {
            continue;
        }
        // For what never changes anything, now is as good a time as any later one.
        if S::observes(&history[at].operation) {
            step.candidates.clear();
        }
        order.take(at);
        if !seen.insert((order.configuration(), after.clone())) {
            order.take_back(step.first_left);
            continue;
        }
        if seen.len() > most {
            return Searched::Undecided;
        }
        let candidates = order.candidates();
        if order.taken.len() > longest.len() {
            (longest, next) = (order.taken.clone(), candidates.clone());
        }
        steps.push(Step { object: after, candidates, first_left: order.first_left });
    }
    Searched::Explained(order.taken)
}

/// One step of the current order.
struct Step<S> {
    object: S,
    /// The operations that may be next.
    candidates: Vec<usize>,
    /// The first answered operation that is left here.
    first_left: usize,
}

/// An order that grows and shrinks.
struct Order<'a, O> {
    history: &'a [Interval<O>],
    /// The positions of the operations that were answered, and of those with an unknown outcome, as they were called.
    answered: Vec<usize>,
    unknown: Vec<usize>,
    is_taken: Vec<bool>,
    taken: Vec<usize>,
    /// How many of the answered ones are taken.
    answered_taken: usize,
    /// All answered operations before this one have been taken.
    first_left: usize,
}

impl<'a, O> Order<'a, O> {
    fn of(history: &'a [Interval<O>]) -> Self {
        let mut all: Vec<usize> = (0..history.len()).collect();
        all.sort_by_key(|at| history[*at].called);
        let (answered, unknown) = all.into_iter().partition(|at| history[*at].returned.is_some());
        let is_taken = vec![false; history.len()];
        Self { history, answered, unknown, is_taken, taken: Vec::new(), answered_taken: 0, first_left: 0 }
    }

    fn take(&mut self, at: usize) {
        self.is_taken[at] = true;
        self.taken.push(at);
        self.answered_taken += usize::from(self.history[at].returned.is_some());
        while self.answered.get(self.first_left).is_some_and(|at| self.is_taken[*at]) {
            self.first_left += 1;
        }
    }

    /// Takes the last operation out again.
    fn take_back(&mut self, first_left: usize) {
        if let Some(at) = self.taken.pop() {
            self.is_taken[at] = false;
            self.answered_taken -= usize::from(self.history[at].returned.is_some());
        }
        self.first_left = first_left;
    }

    /// The operations that were called before any other one that is left has returned. The last one is tried first: it
    /// is the one with the earliest return.
    fn candidates(&self) -> Vec<usize> {
        let mut first_return = u64::MAX;
        let mut found = Vec::new();
        for at in &self.answered[self.first_left..] {
            let Interval { called, returned, .. } = &self.history[*at];
            if *called > first_return {
                break;
            }
            if !self.is_taken[*at] {
                first_return = returned.unwrap_or(u64::MAX).min(first_return);
                found.push(*at);
            }
        }
        let unknown = self.unknown.iter().take_while(|at| self.history[**at].called <= first_return);
        found.extend(unknown.filter(|at| !self.is_taken[**at]));
        found.sort_by_key(|at| Reverse(self.history[*at].returned.unwrap_or(u64::MAX)));
        found
    }

    /// All that was taken: the answered operations before the first one and the positions of all others.
    fn configuration(&self) -> (usize, Vec<usize>) {
        let later = self.answered[self.first_left..].iter().filter(|at| self.is_taken[**at]);
        let later = later.take(self.answered_taken - self.first_left);
        let unknown = self.unknown.iter().filter(|at| self.is_taken[**at]);
        (self.first_left, later.chain(unknown).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register of one number.
    #[derive(Clone, PartialEq, Eq, Hash, Debug)]
    struct Register(u64);

    enum Access {
        Write(u64),
        Read(u64),
    }

    impl Object for Register {
        type Operation = Access;

        fn after(&self, access: &Access) -> Option<Self> {
            match access {
                Access::Write(value) => Some(Self(*value)),
                Access::Read(value) => (*value == self.0).then(|| self.clone()),
            }
        }

        fn observes(access: &Access) -> bool {
            matches!(access, Access::Read(_))
        }
    }

    fn at(called: u64, returned: u64, operation: Access) -> Interval<Access> {
        Interval { called, returned: Some(returned), operation }
    }

    #[test]
    fn concurrent_operations_may_be_in_any_order() {
        let history = [at(0, 10, Access::Write(1)), at(1, 9, Access::Write(2)), at(11, 12, Access::Read(1))];
        assert_eq!(search(Register(0), &history), Searched::Explained(vec![1, 0, 2]));
    }

    #[test]
    fn what_changes_nothing_now_may_change_something_later() {
        let history = [at(0, 5, Access::Write(0)), at(0, 10, Access::Write(1)), at(11, 12, Access::Read(0))];
        assert_eq!(search(Register(0), &history), Searched::Explained(vec![1, 0, 2]));
    }

    #[test]
    fn a_stale_read_has_no_explanation() {
        let history = [at(0, 1, Access::Write(1)), at(2, 3, Access::Read(0))];
        let next = vec![1];
        assert_eq!(search(Register(0), &history), Searched::Impossible { longest: vec![0], next });
    }

    #[test]
    fn an_unknown_write_may_take_effect_late_or_never() {
        let unknown = || Interval { called: 0, returned: None, operation: Access::Write(7) };
        let late = [unknown(), at(5, 6, Access::Read(0)), at(7, 8, Access::Read(7))];
        assert_eq!(search(Register(0), &late), Searched::Explained(vec![1, 0, 2]));
        let never = [unknown(), at(5, 6, Access::Read(0))];
        assert_eq!(search(Register(0), &never), Searched::Explained(vec![1]));
        let back = [unknown(), at(5, 6, Access::Read(7)), at(7, 8, Access::Read(0))];
        assert!(matches!(search(Register(0), &back), Searched::Impossible { .. }));
    }

    #[test]
    fn the_memory_keeps_many_concurrent_operations_cheap() {
        // Twelve concurrent writes of the same value have a half billion orders.
        let mut history: Vec<_> = (0..12).map(|n| at(n, 100 + n, Access::Write(1))).collect();
        history.push(at(200, 201, Access::Read(2)));
        assert!(matches!(search(Register(0), &history), Searched::Impossible { .. }));
    }
}
