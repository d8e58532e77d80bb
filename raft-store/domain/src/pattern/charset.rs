//! Sets of characters, as a `[…]` stands for. They never contain `/` or a control character, since no path component
//! does.

/// Every character that a class may match, as ranges: no controls, no `/`, no surrogates.
const ALLOWED: [(u32, u32); 4] = [(0x20, 0x2e), (0x30, 0x7e), (0xa0, 0xd7ff), (0xe000, 0x0010_ffff)];

/// A set of characters as sorted, disjoint ranges, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CharSet(Box<[(u32, u32)]>);

impl CharSet {
    /// The characters in any of `ranges`. A range that runs backwards is empty.
    pub(super) fn of(ranges: &[(char, char)]) -> Self {
        Self(intersection(&merged(ranges), &ALLOWED))
    }

    /// The characters in none of `ranges`.
    pub(super) fn except(ranges: &[(char, char)]) -> Self {
        let mut free = Vec::new();
        let mut next = 0;
        for (from, to) in merged(ranges) {
            if from > next {
                free.push((next, from - 1));
            }
            next = to + 1;
        }
        free.push((next, u32::MAX));
        Self(intersection(&free, &ALLOWED))
    }

    pub(super) fn contains(&self, c: char) -> bool {
        let c = u32::from(c);
        let after = self.0.partition_point(|&(from, _)| from <= c);
        after > 0 && c <= self.0[after - 1].1
    }

    /// The number of ranges.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A character of the set. It is a dot only if the set has nothing else.
    pub(super) fn any(&self) -> Option<char> {
        self.any_common(self)
    }

    /// A character of both sets. It is a dot only if they share nothing else.
    pub(super) fn any_common(&self, other: &Self) -> Option<char> {
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut dot = None;
        while let (Some(&&(a, b)), Some(&&(c, d))) = (mine.peek(), theirs.peek()) {
            let lowest = char::from_u32(a.max(c)).filter(|_| a.max(c) <= b.min(d));
            match lowest {
                // The dot is the last of its range, since `/` comes next.
                Some('.') => dot = lowest,
                Some(_) => return lowest,
                None => {}
            }
            if b < d {
                mine.next();
            } else {
                theirs.next();
            }
        }
        dot
    }
}

/// Sorts and merges ranges, without those that run backwards.
fn merged(ranges: &[(char, char)]) -> Vec<(u32, u32)> {
    let mut sorted: Vec<(u32, u32)> =
        ranges.iter().map(|&(from, to)| (from.into(), to.into())).filter(|(a, b)| a <= b).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (from, to) in sorted {
        match merged.last_mut() {
            Some(last) if from <= last.1 + 1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn intersection(left: &[(u32, u32)], right: &[(u32, u32)]) -> Box<[(u32, u32)]> {
    let mut both = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        let (from, to) = (left[i].0.max(right[j].0), left[i].1.min(right[j].1));
        if from <= to {
            both.push((from, to));
        }
        if left[i].1 < right[j].1 {
            i += 1;
        } else {
            j += 1;
        }
    }
    both.into()
}
