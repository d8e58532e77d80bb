//! Finds the held patterns that overlap queries. A query for one file or folder never scans all held patterns, and the
//! ancestors of the last query are cached, since the next one usually shares them.

use super::{
    Collision, Pattern, PatternKind,
    index::{AnchorCounts, Holders, PathHash, PatternIndex, component_end},
};
use crate::work::{OutOfBudget, WorkBudget};
use std::{convert::Infallible, ops::ControlFlow};

/// Steps of one more query, whose anchor is compared with the last one.
const QUERY: usize = 30;
/// Bytes of a path that are compared or hashed in one step.
const BYTES_PER_STEP: usize = 4;
/// Steps of one more ancestor: two lookups in trees of up to a million.
const ANCESTOR: usize = 40;
/// Steps of one more pattern that is held at a path, or beneath one.
const HELD: usize = 14;
/// Steps of beginning a scan beneath a path.
const SCAN: usize = 150;
/// Steps of looking at one more holder.
const HOLDER: usize = 10;

/// A held pattern that overlaps a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap<'q, 'a, V> {
    /// The pattern in the query.
    pub query: &'q Pattern,
    /// The held pattern.
    pub held: &'a Pattern,
    /// The holder of that pattern.
    pub holder: &'a V,
    /// Whether the overlap is assumed: deciding it would take more steps than one pair may take.
    pub is_assumed: bool,
}

impl<V: Ord + Clone> PatternIndex<V> {
    /// All held patterns that overlap `query`, with their holders: from the root down the path of the query, then
    /// beneath it, always in the same order. The work is not limited.
    pub fn overlapping<'a>(
        &'a self,
        query: &Pattern,
    ) -> impl Iterator<Item = (&'a Pattern, &'a V)> + use<'a, V> {
        let mut found = Vec::new();
        let all = Probe::new(self).visit(query, &mut WorkBudget::unlimited(), |pattern, holder, _| {
            found.push((pattern, holder));
            ControlFlow::<Infallible>::Continue(())
        });
        let ControlFlow::<Infallible>::Continue(()) = all.expect("an unlimited budget does not end");
        found.into_iter()
    }

    /// The first overlaps of many queries that `counts` accepts (such as another session's claim), at most `limit`. The
    /// queries may have any order; sorted ones share the lookup of their folders, which makes a thousand of them cheap.
    ///
    /// # Errors
    /// If the budget is used up before.
    pub fn first_overlaps<'a, 'q>(
        &'a self,
        queries: impl IntoIterator<Item = &'q Pattern>,
        limit: usize,
        work: &mut WorkBudget,
        counts: impl FnMut(&Pattern, &Pattern, &V) -> bool,
    ) -> Result<Vec<Overlap<'q, 'a, V>>, OutOfBudget> {
        self.first_overlaps_as(queries.into_iter().map(|query| (query, query)), limit, work, counts)
    }

    /// Like [`first_overlaps`](Self::first_overlaps), for queries that are compared in another spelling than their own.
    pub(super) fn first_overlaps_as<'a, 'q, 'c>(
        &'a self,
        queries: impl IntoIterator<Item = (&'q Pattern, &'c Pattern)>,
        limit: usize,
        work: &mut WorkBudget,
        mut counts: impl FnMut(&Pattern, &Pattern, &V) -> bool,
    ) -> Result<Vec<Overlap<'q, 'a, V>>, OutOfBudget> {
        let mut found = Vec::new();
        let mut probe = Probe::new(self);
        for (query, compared) in queries {
            if found.len() >= limit {
                break;
            }
            // A full list is no failure: the next iteration of the loop sees it, too.
            let _full = probe.visit(compared, work, |held, holder, collision| {
                if counts(query, held, holder) {
                    let is_assumed = collision == Collision::Assumed;
                    found.push(Overlap { query, held, holder, is_assumed });
                }
                if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(found)
    }
}

/// Looks up one query after another.
struct Probe<'a, V: Ord + Clone> {
    index: &'a PatternIndex<V>,
    /// The anchor of the last query.
    path: String,
    /// The anchor and the folders above it where anything is held, the root first. The list ends early if nothing is
    /// held beneath.
    ancestors: Vec<Step<'a, V>>,
}

struct Step<'a, V: Ord + Clone> {
    /// The bytes of the path up to this folder.
    end: usize,
    hash: PathHash,
    counts: AnchorCounts,
    /// The patterns that are anchored exactly here.
    here: Vec<(&'a Pattern, &'a Holders<V>)>,
}

impl<'a, V: Ord + Clone> Probe<'a, V> {
    fn new(index: &'a PatternIndex<V>) -> Self {
        Self { index, path: String::new(), ancestors: Vec::new() }
    }

    /// Calls `visit` for every held pattern that overlaps `query`, and each of its holders, until it breaks.
    ///
    /// Overlapping patterns are anchored on the way from the root to the query's anchor, or beneath: a file or folder
    /// elsewhere shares no path with the query, and a glob matches only beneath its own anchor.
    ///
    /// # Errors
    /// If the budget is used up before.
    fn visit<B>(
        &mut self,
        query: &Pattern,
        work: &mut WorkBudget,
        mut visit: impl FnMut(&'a Pattern, &'a V, Collision) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, OutOfBudget> {
        let anchor = query.anchor();
        self.walk_to(anchor, work)?;
        for step in &self.ancestors {
            for &(held, holders) in &step.here {
                if let end @ ControlFlow::Break(_) = test(query, held, holders, work, &mut visit)? {
                    return Ok(end);
                }
            }
        }
        let is_above_others =
            self.ancestors.last().is_some_and(|last| last.end == anchor.len() && last.counts.beneath > 0);
        if is_above_others {
            work.charge(SCAN)?;
            let from = scan_start(query);
            let reachable =
                self.index.anchored_from(&from).take_while(|(held, _)| held.anchor().starts_with(&from));
            for (held, holders) in reachable {
                work.charge(HELD)?;
                // The anchor itself was among the ancestors.
                if held.anchor() == anchor {
                    continue;
                }
                if let end @ ControlFlow::Break(_) = test(query, held, holders, work, &mut visit)? {
                    return Ok(end);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Sets the ancestors to those of `anchor`, and keeps those that it shares with the last one.
    fn walk_to(&mut self, anchor: &str, work: &mut WorkBudget) -> Result<(), OutOfBudget> {
        work.charge(QUERY + anchor.len() / BYTES_PER_STEP)?;
        let common = self.path.bytes().zip(anchor.bytes()).take_while(|(a, b)| a == b).count();
        let is_shared =
            |end: usize| end <= common && (end == 0 || end == anchor.len() || anchor.as_bytes()[end] == b'/');
        while self.ancestors.last().is_some_and(|step| !is_shared(step.end)) {
            self.ancestors.pop();
        }
        self.path.clear();
        self.path.push_str(anchor);

        if self.ancestors.is_empty() {
            self.pass(0, PathHash::ROOT, work)?;
        }
        while let Some(last) = self.ancestors.last() {
            if last.end == anchor.len() || last.counts.beneath == 0 {
                break;
            }
            let next = component_end(anchor, last.end);
            let hash = last.hash.extend(&anchor[last.end..next]);
            self.pass(next, hash, work)?;
        }
        Ok(())
    }

    /// Adds the folder that is the first `end` bytes of the path.
    fn pass(&mut self, end: usize, hash: PathHash, work: &mut WorkBudget) -> Result<(), OutOfBudget> {
        work.charge(ANCESTOR)?;
        let counts = self.index.counts(hash);
        let mut here = Vec::new();
        if counts.here > 0 {
            work.charge(SCAN)?;
            let path = &self.path[..end];
            for found in self.index.anchored_from(path).take_while(|(held, _)| held.anchor() == path) {
                work.charge(HELD)?;
                here.push(found);
            }
        }
        self.ancestors.push(Step { end, hash, counts, here });
        Ok(())
    }
}

/// The text that the anchors of overlapping patterns beneath the query's own begin with.
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
    work: &mut WorkBudget,
    visit: &mut impl FnMut(&'a Pattern, &'a V, Collision) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, OutOfBudget> {
    let collision = held.collision(query, work)?;
    if collision != Collision::Impossible {
        for holder in holders.iter() {
            work.charge(HOLDER)?;
            if let end @ ControlFlow::Break(_) = visit(held, holder, collision) {
                return Ok(end);
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}
