//! A hash set of visited numbers. It grows with its content, so that a walk which ends soon costs little, however many
//! pairs of states there are. It is never iterated.

/// The buckets of the smallest table: enough for two everyday globs.
const FIRST_BUCKETS: usize = 256;
/// The multiplier that spreads numbers over all buckets (Knuth, The Art of Computer Programming, 6.4).
const SPREAD: u32 = 2_654_435_769;

/// A set of numbers below `u32::MAX`.
#[derive(Default)]
pub(super) struct Visited {
    /// The numbers plus one; 0 is a free bucket. There is a power of two of buckets, and at most half of them are used.
    buckets: Vec<u32>,
    taken: usize,
}

impl Visited {
    /// Adds a number. Returns false if it was there.
    pub(super) fn insert(&mut self, number: usize) -> bool {
        let number = u32::try_from(number + 1).expect("pairs of states of two automata are some millions");
        if 2 * self.taken >= self.buckets.len() {
            self.grow();
        }
        let is_new = self.put(number);
        self.taken += usize::from(is_new);
        is_new
    }

    fn put(&mut self, number: u32) -> bool {
        let last = self.buckets.len() - 1;
        let shift = u32::BITS - self.buckets.len().trailing_zeros();
        let mut at = (number.wrapping_mul(SPREAD) >> shift) as usize;
        loop {
            match self.buckets[at] {
                0 => {
                    self.buckets[at] = number;
                    return true;
                }
                there if there == number => return false,
                _ => at = (at + 1) & last,
            }
        }
    }

    fn grow(&mut self) {
        let buckets = FIRST_BUCKETS.max(2 * self.buckets.len());
        let before = std::mem::replace(&mut self.buckets, vec![0; buckets]);
        for number in before.into_iter().filter(|number| *number > 0) {
            self.put(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once_however_many_there_are() {
        let mut visited = Visited::default();
        let numbers = (0..10_000).map(|n| n * 37 % 10_007);
        assert!(numbers.clone().all(|number| visited.insert(number)));
        assert!(!numbers.clone().any(|number| visited.insert(number)));
    }
}
