//! Searches an order that explains a history of one object, without knowing a log: the algorithm of Wing and Gong
//! ("Testing and Verifying Concurrent Objects", 1993), with the memoisation of Lowe ("Testing for linearizability",
//! 2017), as in Porcupine. It is meant for short histories: at worst it takes exponential time.

use std::{collections::HashSet, hash::Hash};

/// Configurations that are looked at before the search gives up.
const MAX_CONFIGURATIONS: usize = 2_000_000;

/// An object that operations change one after the other.
pub trait Object: Clone + Eq + Hash {
    /// An operation together with its answer.
    type Operation;

    /// The object after this operation; `None` if the operation cannot have had its answer.
    fn after(&self, operation: &Self::Operation) -> Option<Self>;
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

/// One step of the current order.
struct Step<S> {
    object: S,
    /// The operations that may be next.
    candidates: Vec<usize>,
    /// The operation that led here.
    taken: Option<usize>,
}

/// Searches an order of the operations that begins with this object. An operation that returned before another one was
/// called comes before it.
pub fn search<S: Object>(object: S, history: &[Interval<S::Operation>]) -> Searched {
    let mut done = vec![false; history.len()];
    let mut left = history.iter().filter(|interval| interval.returned.is_some()).count();
    let mut seen = HashSet::new();
    let mut order: Vec<usize> = Vec::new();
    let (mut longest, mut next) = (Vec::new(), candidates(history, &done));
    let mut steps = vec![Step { object, candidates: next.clone(), taken: None }];
    if left == 0 {
        return Searched::Explained(order);
    }
    while let Some(step) = steps.last_mut() {
        let Some(at) = step.candidates.pop() else {
            if let Some(taken) = step.taken {
                done[taken] = false;
                left += usize::from(history[taken].returned.is_some());
                order.pop();
            }
            steps.pop();
            continue;
        };
        let Some(after) = step.object.after(&history[at].operation) else { continue };
        done[at] = true;
        if !seen.insert((done.clone(), after.clone())) {
            done[at] = false;
            continue;
        }
        if seen.len() > MAX_CONFIGURATIONS {
            return Searched::Undecided;
        }
        order.push(at);
        left -= usize::from(history[at].returned.is_some());
        if left == 0 {
            return Searched::Explained(order);
        }
        let candidates = candidates(history, &done);
        if order.len() > longest.len() {
            (longest, next) = (order.clone(), candidates.clone());
        }
        steps.push(Step { object: after, candidates, taken: Some(at) });
    }
    Searched::Impossible { longest, next }
}

/// The operations that were called before any other one that is left has returned. The earliest return is tried first.
fn candidates<O>(history: &[Interval<O>], done: &[bool]) -> Vec<usize> {
    let left = || (0..history.len()).filter(|at| !done[*at]);
    let first_return = left().filter_map(|at| history[at].returned).min().unwrap_or(u64::MAX);
    let mut candidates: Vec<usize> = left().filter(|at| history[*at].called <= first_return).collect();
    candidates.sort_by_key(|at| std::cmp::Reverse(history[*at].returned.unwrap_or(u64::MAX)));
    candidates
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
