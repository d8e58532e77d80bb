//! An index of held patterns that compares them in one spelling, and returns them in the spelling of their holders.

use super::{Case, Overlap, Pattern, PatternIndex};
use crate::work::{OutOfBudget, WorkBudget};
use imbl::OrdMap;
use std::borrow::Cow;

/// An index in which all spellings of a file are one pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpelledIndex<V: Ord + Clone> {
    case: Case,
    index: PatternIndex<Spelled<V>>,
    /// The compared spelling of held patterns whose own is another one. It is stored, since making it compiles a glob.
    forms: OrdMap<Pattern, Form>,
}

/// A holder with its own spelling of the pattern; `None` if that is the compared one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Spelled<V> {
    holder: V,
    written: Option<Box<Pattern>>,
}

/// The compared spelling of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Form {
    compared: Pattern,
    /// The number of holders with this spelling.
    holders: usize,
}

impl<V: Ord + Clone> SpelledIndex<V> {
    /// Creates an empty index.
    #[must_use]
    pub fn new(case: Case) -> Self {
        Self { case, index: PatternIndex::new(), forms: OrdMap::new() }
    }

    /// Adds a holder of a pattern. Returns false if it held the pattern already, in this spelling.
    pub fn insert(&mut self, pattern: &Pattern, holder: V) -> bool {
        let known = self.forms.get(pattern).map(|form| form.compared.clone());
        let made = || match pattern.compared_as(self.case) {
            Cow::Borrowed(_) => None,
            Cow::Owned(compared) => Some(compared),
        };
        let Some(compared) = known.or_else(made) else {
            return self.index.insert(pattern, Spelled { holder, written: None });
        };
        let is_new = self.index.insert(&compared, spelled(&compared, pattern, holder));
        if is_new {
            let form = self.forms.entry(pattern.clone()).or_insert(Form { compared, holders: 0 });
            form.holders += 1;
        }
        is_new
    }

    /// Removes a holder of a pattern. Returns false if it did not hold the pattern, in this spelling.
    pub fn remove(&mut self, pattern: &Pattern, holder: V) -> bool {
        let Some(form) = self.forms.get_mut(pattern) else {
            return self.index.remove(pattern, &Spelled { holder, written: None });
        };
        let was_held = self.index.remove(&form.compared, &spelled(&form.compared, pattern, holder));
        form.holders -= usize::from(was_held);
        if form.holders == 0 {
            self.forms.remove(pattern);
        }
        was_held
    }

    /// The number of pairs of pattern and holder.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// The bytes of the patterns of all pairs, in the compared spelling.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.index.bytes()
    }

    /// Whether the index is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The compared spelling of a pattern. It is stored for held patterns, and made for others.
    ///
    /// # Errors
    /// If the budget is used up.
    pub(crate) fn compared<'a>(
        &'a self,
        pattern: &'a Pattern,
        work: &mut WorkBudget,
    ) -> Result<Cow<'a, Pattern>, OutOfBudget> {
        work.charge(self.steps_of_spelling(pattern))?;
        Ok(self.form(pattern))
    }

    /// Steps of making the compared spelling of a pattern; 0 if it is stored.
    pub(crate) fn steps_of_spelling(&self, pattern: &Pattern) -> usize {
        if self.forms.contains_key(pattern) { 0 } else { pattern.steps_of_spelling(self.case) }
    }

    fn form<'a>(&'a self, pattern: &'a Pattern) -> Cow<'a, Pattern> {
        match self.forms.get(pattern) {
            Some(form) => Cow::Borrowed(&form.compared),
            None => pattern.compared_as(self.case),
        }
    }

    /// The first overlaps of many queries that `counts` accepts, like [`PatternIndex::first_overlaps`]. `counts` gets
    /// the held pattern in its holder's spelling, and the holder.
    ///
    /// # Errors
    /// If the budget is used up before.
    pub fn first_overlaps<'a, 'q>(
        &'a self,
        queries: &[&'q Pattern],
        limit: usize,
        work: &mut WorkBudget,
        mut counts: impl FnMut(&Pattern, &V) -> bool,
    ) -> Result<Vec<Overlap<'q, 'a, V>>, OutOfBudget> {
        let mut compared = Vec::with_capacity(queries.len());
        for query in queries {
            compared.push((*query, self.compared(query, work)?));
        }
        let queries = compared.iter().map(|(query, form)| (*query, &**form));
        let found = self.index.first_overlaps_as(queries, limit, work, |_, held, spelled| {
            counts(spelled.written.as_deref().unwrap_or(held), &spelled.holder)
        })?;
        let as_written = |at: Overlap<'q, 'a, Spelled<V>>| Overlap {
            query: at.query,
            held: at.holder.written.as_deref().unwrap_or(at.held),
            holder: &at.holder.holder,
            is_assumed: at.is_assumed,
        };
        Ok(found.into_iter().map(as_written).collect())
    }

    /// The holders of this pattern in any spelling, each with its own.
    ///
    /// # Errors
    /// If the budget is used up by making the compared spelling.
    pub fn holders_of<'a>(
        &'a self,
        pattern: &Pattern,
        work: &mut WorkBudget,
    ) -> Result<impl Iterator<Item = (Pattern, &'a V)> + use<'a, V>, OutOfBudget> {
        let compared = self.compared(pattern, work)?.into_owned();
        let holders = self.index.holders_of(&compared);
        Ok(holders
            .map(move |spelled| (spelled.written.as_deref().unwrap_or(&compared).clone(), &spelled.holder)))
    }
}

fn spelled<V>(compared: &Pattern, written: &Pattern, holder: V) -> Spelled<V> {
    Spelled { holder, written: (compared != written).then(|| Box::new(written.clone())) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_spelled_anew_once_and_not_for_every_question() {
        let mut index = SpelledIndex::new(Case::Insensitive);
        // A class is compared as any letter, which is another automaton with the same text.
        is_spelled_once(&mut index, "app/[id]/*.tsx");
        is_spelled_once(&mut index, "App/[ID]/*.tsx");
    }

    fn is_spelled_once(index: &mut SpelledIndex<u8>, text: &str) {
        let glob = Pattern::parse(text).unwrap();
        let (mut first, mut later) = (WorkBudget::unlimited(), WorkBudget::unlimited());
        index.first_overlaps(&[&glob], 1, &mut first, |_, _| true).unwrap();
        assert!(first.used() > 100 * glob.as_str().len());
        assert!(index.insert(&glob, 1));
        assert!(index.insert(&glob, 2));
        assert!(!index.insert(&glob, 2));
        let form = index.compared(&glob, &mut later).unwrap();
        assert_eq!((form.as_str(), later.used()), ("app/[id]/*.tsx", 0));
        // The stored spelling stays until the last holder is removed.
        assert!(index.remove(&glob, 1));
        assert!(!index.remove(&glob, 1));
        index.compared(&glob, &mut later).unwrap();
        assert_eq!(later.used(), 0);
        assert!(index.remove(&glob, 2));
        index.compared(&glob, &mut later).unwrap();
        assert!(later.used() > 0);
        assert_eq!(*index, SpelledIndex::new(Case::Insensitive));
    }
}
