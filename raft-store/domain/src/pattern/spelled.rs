//! Held patterns, whatever their spelling: compared in one, and told in that of whoever holds them.

use super::{Case, Overlap, Pattern, PatternIndex};
use crate::work::{OutOfBudget, WorkBudget};
use std::borrow::Cow;

/// Steps of spelling a byte anew.
const BYTE: usize = 4;

/// An index in which the spellings of a file are that file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpelledIndex<V: Ord + Clone> {
    case: Case,
    index: PatternIndex<Spelled<V>>,
}

/// A holder, and how it spells what it holds; none where that is how it is compared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Spelled<V> {
    holder: V,
    written: Option<Box<Pattern>>,
}

impl<V: Ord + Clone> SpelledIndex<V> {
    /// An index that holds nothing.
    #[must_use]
    pub fn new(case: Case) -> Self {
        Self { case, index: PatternIndex::new() }
    }

    /// Adds a holder of a pattern. False: it held it already, in this spelling.
    pub fn insert(&mut self, pattern: &Pattern, holder: V) -> bool {
        let (compared, held) = spelled(pattern, self.case, holder);
        self.index.insert(&compared, held)
    }

    /// Takes a holder of a pattern away. False: it did not hold it, in this spelling.
    pub fn remove(&mut self, pattern: &Pattern, holder: V) -> bool {
        let (compared, held) = spelled(pattern, self.case, holder);
        self.index.remove(&compared, &held)
    }

    /// How many pairs of pattern and holder there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Bytes of the patterns of all of them, as they are compared.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.index.bytes()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The first overlaps of many queries that `counts` accepts, as [`PatternIndex::first_overlaps`] finds them; it is
    /// given what is held and its holder.
    ///
    /// # Errors
    /// When the budget is used up before they were found.
    pub fn first_overlaps<'a, 'q>(
        &'a self,
        queries: &[&'q Pattern],
        limit: usize,
        work: &mut WorkBudget,
        mut counts: impl FnMut(&Pattern, &V) -> bool,
    ) -> Result<Vec<Overlap<'q, 'a, V>>, OutOfBudget> {
        let mut compared = Vec::with_capacity(queries.len());
        for query in queries {
            let form = query.compared_as(self.case);
            if let Cow::Owned(form) = &form {
                work.charge(BYTE * form.as_str().len())?;
            }
            compared.push((*query, form));
        }
        let queries = compared.iter().map(|(query, form)| (*query, &**form));
        let found = self.index.first_overlaps_as(queries, limit, work, |_, held, spelled| {
            counts(spelled.written.as_deref().unwrap_or(held), &spelled.holder)
        })?;
        let told = |at: Overlap<'q, 'a, Spelled<V>>| Overlap {
            query: at.query,
            held: at.holder.written.as_deref().unwrap_or(at.held),
            holder: &at.holder.holder,
            is_assumed: at.is_assumed,
        };
        Ok(found.into_iter().map(told).collect())
    }

    /// Who holds this pattern, in whatever spelling, and in which.
    pub fn holders_of<'a>(
        &'a self,
        pattern: &Pattern,
    ) -> impl Iterator<Item = (Pattern, &'a V)> + use<'a, V> {
        let compared = pattern.compared_as(self.case).into_owned();
        self.index
            .holders_of(&compared)
            .map(move |spelled| (spelled.written.as_deref().unwrap_or(&compared).clone(), &spelled.holder))
    }
}

fn spelled<V>(pattern: &Pattern, case: Case, holder: V) -> (Cow<'_, Pattern>, Spelled<V>) {
    let compared = pattern.compared_as(case);
    let written = (*compared != *pattern).then(|| Box::new(pattern.clone()));
    (compared, Spelled { holder, written })
}
