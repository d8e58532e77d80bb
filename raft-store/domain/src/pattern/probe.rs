//! Looks up one query after another in an index. Never goes the way to a folder twice in a row:
//! it remembers what it passed, and the next query usually lives next door.

use super::{
    Pattern, PatternKind,
    index::{Holders, PathHash, PatternIndex, Place, component_end},
};
use std::ops::ControlFlow;

/// A held pattern that stands in the way of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap<'q, 'a, V> {
    /// What was asked for.
    pub query: &'q Pattern,
    /// What is held already.
    pub held: &'a Pattern,
    /// Who holds it.
    pub holder: &'a V,
}

pub(super) struct Probe<'a, V: Ord + Clone> {
    index: &'a PatternIndex<V>,
    /// The anchor of the last query.
    path: String,
    /// The places on the way to it that hold anything, the root first. It ends early where
    /// nothing is beneath.
    trail: Vec<Step<'a, V>>,
    /// Held patterns that were compared with a query so far: nearly all of the time goes there.
    pub(super) compared: usize,
}

struct Step<'a, V: Ord + Clone> {
    /// Bytes of the path up to this place.
    end: usize,
    hash: PathHash,
    place: Place,
    /// What is anchored exactly here; collected when the place is first passed.
    here: Vec<(&'a Pattern, &'a Holders<V>)>,
}

impl<'a, V: Ord + Clone> Probe<'a, V> {
    pub(super) fn new(index: &'a PatternIndex<V>) -> Self {
        Self { index, path: String::new(), trail: Vec::new(), compared: 0 }
    }

    /// Calls `visit` for every held pattern that overlaps `query`, and each holder, until it
    /// breaks.
    ///
    /// What overlaps lies on the way from the root to the query's anchor, or beneath: a file or
    /// folder elsewhere shares no path with it, and a glob matches only beneath its own anchor.
    pub(super) fn visit<B>(
        &mut self,
        query: &Pattern,
        mut visit: impl FnMut(&'a Pattern, &'a V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let anchor = query.anchor();
        self.walk_to(anchor);
        for step in &self.trail {
            self.compared += step.here.len();
            for &(held, holders) in &step.here {
                test(query, held, holders, &mut visit)?;
            }
        }
        let is_above_others =
            self.trail.last().is_some_and(|last| last.end == anchor.len() && last.place.beneath > 0);
        if is_above_others {
            let from = scan_start(query);
            let reachable =
                self.index.anchored_from(&from).take_while(|(held, _)| held.anchor().starts_with(&from));
            // The anchor itself was on the trail.
            for (held, holders) in reachable.filter(|(held, _)| held.anchor() != anchor) {
                self.compared += 1;
                test(query, held, holders, &mut visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Makes the trail lead to `anchor`, keeping what it shares with the last one.
    fn walk_to(&mut self, anchor: &str) {
        let common = self.path.bytes().zip(anchor.bytes()).take_while(|(a, b)| a == b).count();
        let is_shared =
            |end: usize| end <= common && (end == 0 || end == anchor.len() || anchor.as_bytes()[end] == b'/');
        while self.trail.last().is_some_and(|step| !is_shared(step.end)) {
            self.trail.pop();
        }
        self.path.clear();
        self.path.push_str(anchor);

        if self.trail.is_empty() {
            self.pass(0, PathHash::ROOT);
        }
        while let Some(last) = self.trail.last() {
            if last.end == anchor.len() || last.place.beneath == 0 {
                break;
            }
            let next = component_end(anchor, last.end);
            let hash = last.hash.extend(&anchor[last.end..next]);
            self.pass(next, hash);
        }
    }

    /// Adds the place at the first `end` bytes of the path to the trail.
    fn pass(&mut self, end: usize, hash: PathHash) {
        let place = self.index.place(hash);
        let here = if place.here == 0 {
            Vec::new()
        } else {
            let path = &self.path[..end];
            self.index.anchored_from(path).take_while(|(held, _)| held.anchor() == path).collect()
        };
        self.trail.push(Step { end, hash, place, here });
    }
}

/// What the anchors of all that may overlap beneath the query's own begin with.
fn scan_start(query: &Pattern) -> String {
    let mut from = query.fixed().to_owned();
    if query.kind() == PatternKind::File {
        from.push('/');
    }
    from
}

fn test<'a, V: Ord + Clone, B>(
    query: &Pattern,
    held: &'a Pattern,
    holders: &'a Holders<V>,
    visit: &mut impl FnMut(&'a Pattern, &'a V) -> ControlFlow<B>,
) -> ControlFlow<B> {
    if held.overlaps(query) {
        for holder in holders.iter() {
            visit(held, holder)?;
        }
    }
    ControlFlow::Continue(())
}
