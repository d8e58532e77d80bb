//! All held patterns with their holders, in persistent maps: a clone costs a pointer, and shares what does not change.
//! It stores them; `probe` looks queries up.
//!
//! There are two maps. `held` sorts the patterns by the path that they are anchored at, so that all at one path, and
//! all beneath one path, are neighbours. `anchor_counts` has, for each path that anchors a pattern or is above one, the
//! number of patterns there and beneath: nearly always both are zero, which one lookup among small numbers finds.

use super::Pattern;
use imbl::{OrdMap, OrdSet};
use std::{cmp::Ordering, fmt};

/// Held patterns with their holders. A pattern may have many holders (shared claims), and a holder many patterns. Two
/// indexes with the same content are equal, whatever their history.
#[derive(Clone)]
pub struct PatternIndex<V: Ord + Clone> {
    held: OrdMap<Anchored, Holders<V>>,
    anchor_counts: OrdMap<u64, AnchorCounts>,
    /// The number of pairs of pattern and holder.
    len: usize,
    /// The bytes of the patterns of all pairs.
    bytes: usize,
}

/// A pattern that is sorted by its anchor first.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Anchored(pub(super) Pattern);

/// The holders of one pattern: nearly always one, which needs no set.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Holders<V: Ord + Clone> {
    One(V),
    /// Two or more holders, never one, so that equal indexes stay equal.
    Many(OrdSet<V>),
}

/// The number of held patterns at a path and beneath it. Paths with the same hash share one, which only makes the
/// numbers too high.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AnchorCounts {
    /// Patterns that are anchored exactly here.
    pub(super) here: u32,
    /// Patterns that are anchored strictly beneath.
    pub(super) beneath: u32,
}

impl<V: Ord + Clone> PatternIndex<V> {
    /// Creates an empty index.
    #[must_use]
    pub fn new() -> Self {
        Self { held: OrdMap::new(), anchor_counts: OrdMap::new(), len: 0, bytes: 0 }
    }

    /// Adds a holder of a pattern. Returns false if it held the pattern already.
    pub fn insert(&mut self, pattern: &Pattern, holder: V) -> bool {
        let key = Anchored(pattern.clone());
        let is_new = if let Some(holders) = self.held.get_mut(&key) {
            holders.insert(holder)
        } else {
            self.held.insert(key, Holders::One(holder));
            self.count(pattern, |count| *count += 1);
            true
        };
        if is_new {
            self.len += 1;
            self.bytes += pattern.as_str().len();
        }
        is_new
    }

    /// Removes a holder of a pattern. Returns false if it did not hold the pattern.
    pub fn remove(&mut self, pattern: &Pattern, holder: &V) -> bool {
        let key = Anchored(pattern.clone());
        match self.held.get(&key) {
            None => return false,
            Some(Holders::One(only)) if only != holder => return false,
            Some(Holders::One(_)) => {
                self.held.remove(&key);
                self.count(pattern, |count| *count -= 1);
            }
            Some(Holders::Many(many)) if !many.contains(holder) => return false,
            Some(Holders::Many(_)) => {
                let holders = self.held.get_mut(&key).expect("it was there a line ago");
                holders.remove(holder);
            }
        }
        self.len -= 1;
        self.bytes -= pattern.as_str().len();
        true
    }

    /// The number of pairs of pattern and holder.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes of the patterns of all pairs.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the index is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All pairs, sorted by the anchor of the pattern, then by pattern and holder.
    pub fn iter(&self) -> impl Iterator<Item = (&Pattern, &V)> {
        self.held.iter().flat_map(|(key, holders)| holders.iter().map(move |v| (&key.0, v)))
    }

    /// The holders of exactly this pattern.
    pub fn holders_of<'a>(&'a self, pattern: &Pattern) -> impl Iterator<Item = &'a V> + use<'a, V> {
        self.held.get(&Anchored(pattern.clone())).into_iter().flat_map(Holders::iter)
    }

    /// The patterns in order, from the first one whose anchor begins with `text` on.
    pub(super) fn anchored_from(&self, text: &str) -> impl Iterator<Item = (&Pattern, &Holders<V>)> {
        self.held.range(Anchored(Pattern::scan_start(text))..).map(|(key, holders)| (&key.0, holders))
    }

    pub(super) fn counts(&self, hash: PathHash) -> AnchorCounts {
        self.anchor_counts.get(&hash.key()).copied().unwrap_or_default()
    }

    /// Changes the counts of a pattern at its anchor and at every path above.
    fn count(&mut self, pattern: &Pattern, change: impl Fn(&mut u32)) {
        let anchor = pattern.anchor();
        let (mut hash, mut end) = (PathHash::ROOT, 0);
        loop {
            let is_here = end == anchor.len();
            let mut new = AnchorCounts::default();
            let known = self.anchor_counts.get_mut(&hash.key());
            let is_known = known.is_some();
            let counts = known.unwrap_or(&mut new);
            change(if is_here { &mut counts.here } else { &mut counts.beneath });
            if *counts == AnchorCounts::default() {
                self.anchor_counts.remove(&hash.key());
            } else if !is_known {
                self.anchor_counts.insert(hash.key(), new);
            }
            if is_here {
                return;
            }
            let next = component_end(anchor, end);
            hash = hash.extend(&anchor[end..next]);
            end = next;
        }
    }
}

/// The end of the component after `path[..end]`; `end` is zero or the end of a component.
pub(super) fn component_end(path: &str, end: usize) -> usize {
    let from = if end == 0 { 0 } else { end + 1 };
    path[from..].find('/').map_or(path.len(), |slash| from + slash)
}

/// The FNV-1a of a path, which can be extended component by component. It is the same on every node. Collisions of
/// hashes cost time, and change no result.
#[derive(Clone, Copy)]
pub(super) struct PathHash {
    /// The hash of the path that this one extends.
    folder: u64,
    path: u64,
}

impl PathHash {
    pub(super) const ROOT: Self = Self { folder: 0, path: 0xcbf2_9ce4_8422_2325 };

    /// The hash of this path with one more component, including the `/` before it.
    pub(super) fn extend(self, component: &str) -> Self {
        let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self { folder: self.path, path: component.bytes().fold(self.path, step) }
    }

    /// The key in the map. The folder is its upper half, so that neighbours in the tree are neighbours in memory. It is
    /// one integer, which `imbl` searches fastest.
    fn key(self) -> u64 {
        let folded = |hash: u64| (hash ^ (hash >> 32)) & u64::from(u32::MAX);
        folded(self.folder) << 32 | folded(self.path)
    }
}

impl<V: Ord + Clone> Holders<V> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        let (one, many) = match self {
            Self::One(holder) => (Some(holder), None),
            Self::Many(holders) => (None, Some(holders.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn insert(&mut self, holder: V) -> bool {
        match self {
            Self::One(only) if *only == holder => false,
            Self::One(only) => {
                *self = Self::Many([only.clone(), holder].into_iter().collect());
                true
            }
            Self::Many(holders) => holders.insert(holder).is_none(),
        }
    }

    fn remove(&mut self, holder: &V) {
        if let Self::Many(holders) = self {
            holders.remove(holder);
            if holders.len() == 1 {
                let only = holders.get_min().expect("one holder is left");
                *self = Self::One(only.clone());
            }
        }
    }
}

impl Ord for Anchored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.anchor().cmp(other.0.anchor()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Anchored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V: Ord + Clone> Default for PatternIndex<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Ord + Clone> PartialEq for PatternIndex<V> {
    fn eq(&self, other: &Self) -> bool {
        // Everything else follows from `held`.
        self.len == other.len && self.held == other.held
    }
}

impl<V: Ord + Clone> Eq for PatternIndex<V> {}

impl<V: Ord + Clone + fmt::Debug> fmt::Debug for PatternIndex<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
