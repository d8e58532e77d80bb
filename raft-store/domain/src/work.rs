//! Limits how much a rule or a query may compute. Work is counted in steps and never by a clock, so that an entry which
//! takes too much work is refused on every node, and at every replay.
//!
//! A function that loops over something that a client can make large takes a [`WorkBudget`], and charges each step
//! before it makes it. Items would be no measure: comparing two patterns takes ten nanoseconds or a hundred
//! microseconds.

use thiserror::Error;

/// Steps of one log entry; nothing else is applied meanwhile. A step takes 1.2 to 2.5 ns on one idle core of a
/// virtual machine with two (`cargo bench -p nexus-domain --bench steps`), whatever it is spent on, so that this is
/// 14 to 30 ms, and less than 50 ms where both are busy. A pick of a thousand files among a hundred thousand held
/// ones takes 0.3 million, one of ten wildcards among two hundred held ones some millions.
const OF_ONE_ENTRY: usize = 12_000_000;
/// Steps of a read that is answered in passing, between other tasks: half a millisecond.
const OF_A_SHORT_READ: usize = 200_000;
/// Steps of a read that has a thread to itself: a quarter of a second. More than an entry, since a list asks
/// for each of its features what a pick asks once.
const OF_A_LONG_READ: usize = 100_000_000;

/// The steps that an entry or a query has left.
#[derive(Debug)]
pub struct WorkBudget {
    left: usize,
    given: usize,
}

/// The budget is used up. The result computed so far must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is more work than one request may cause")]
pub struct OutOfBudget;

impl WorkBudget {
    /// The budget of a log entry: 12 million steps, less than 50 ms of one core.
    pub const fn of_one_entry() -> Self {
        Self::of(OF_ONE_ENTRY)
    }

    /// The budget of a read on the async runtime: 200,000 steps, half a millisecond.
    pub const fn of_a_short_read() -> Self {
        Self::of(OF_A_SHORT_READ)
    }

    /// The budget of a read on a thread of its own: 100 million steps, about a quarter of a second.
    pub const fn of_a_long_read() -> Self {
        Self::of(OF_A_LONG_READ)
    }

    /// A budget that never ends, for work that no client causes: tests, benches, checks of invariants.
    pub const fn unlimited() -> Self {
        Self::of(usize::MAX)
    }

    /// A budget of this many steps.
    pub const fn of(steps: usize) -> Self {
        Self { left: steps, given: steps }
    }

    /// Charges steps that are about to be made.
    ///
    /// # Errors
    /// [`OutOfBudget`] if fewer are left; then every later charge fails, too.
    pub const fn charge(&mut self, steps: usize) -> Result<(), OutOfBudget> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(OutOfBudget)
            }
        }
    }

    /// Whether no step is left.
    pub const fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// The steps that were charged.
    pub const fn used(&self) -> usize {
        self.given - self.left
    }

    /// A budget for a part of the work: the steps that are left, but at most `most`.
    pub(crate) fn at_most(&self, most: usize) -> Self {
        Self::of(self.left.min(most))
    }

    /// Whether a [part](Self::at_most) was limited by the steps left in this budget, and not by its own limit.
    pub(crate) const fn is_exhausted_by(&self, part: &Self) -> bool {
        part.given >= self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_ran_out_stays_so() {
        let mut budget = WorkBudget::of(10);
        assert_eq!((budget.charge(9), budget.used()), (Ok(()), 9));
        assert_eq!((budget.charge(2), budget.used()), (Err(OutOfBudget), 10));
        assert_eq!(budget.charge(1), Err(OutOfBudget));
    }

    #[test]
    fn a_part_has_its_own_end_and_that_of_the_whole() {
        let budget = WorkBudget::of(10);
        let small = budget.at_most(4);
        assert_eq!((small.given, budget.is_exhausted_by(&small)), (4, false));
        let large = budget.at_most(40);
        assert_eq!((large.given, budget.is_exhausted_by(&large)), (10, true));
    }
}
