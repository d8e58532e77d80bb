//! Compares the index with a plain list, through random histories.
#![allow(clippy::unwrap_used)]

mod pattern_oracle;

use nexus_domain::{
    OutOfBudget, WorkBudget,
    pattern::{Pattern, PatternIndex},
};
use pattern_oracle::patterns;
use proptest::{collection::vec, prelude::*, sample::Index};
use std::collections::BTreeSet;

fn index_of(held: &[(&str, u8)]) -> PatternIndex<u8> {
    let mut index = PatternIndex::new();
    for (text, holder) in held {
        index.insert(&Pattern::parse(text).unwrap(), *holder);
    }
    index
}

fn found(index: &PatternIndex<u8>, query: &str) -> Vec<(String, u8)> {
    let query = Pattern::parse(query).unwrap();
    index.overlapping(&query).map(|(pattern, holder)| (pattern.to_string(), *holder)).collect()
}

fn scan(held: &BTreeSet<(Pattern, u8)>, query: &Pattern) -> BTreeSet<(Pattern, u8)> {
    held.iter().filter(|(pattern, _)| pattern.overlaps(query)).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_index_finds_what_a_scan_finds(
        steps in vec((patterns(), 0..3_u8, any::<Option<Index>>()), 0..60),
        queries in vec(patterns(), 1..20),
    ) {
        let mut index = PatternIndex::new();
        let mut list: BTreeSet<(Pattern, u8)> = BTreeSet::new();
        for (pattern, holder, remove) in steps {
            let gone = remove.filter(|_| !list.is_empty()).map(|at| at.get(&list.iter().collect::<Vec<_>>()).to_owned().clone());
            if let Some((pattern, holder)) = gone {
                prop_assert!(index.remove(&pattern, &holder));
                prop_assert!(!index.remove(&pattern, &holder));
                list.remove(&(pattern, holder));
            } else {
                prop_assert_eq!(index.insert(&pattern, holder), list.insert((pattern, holder)));
            }
        }

        prop_assert_eq!(index.len(), list.len());
        prop_assert_eq!(index.is_empty(), list.is_empty());
        let all: BTreeSet<(Pattern, u8)> = index.iter().map(|(p, v)| (p.clone(), *v)).collect();
        prop_assert_eq!(&all, &list);

        let mut expected = Vec::new();
        for query in &queries {
            let found: Vec<(Pattern, u8)> = index.overlapping(query).map(|(p, v)| (p.clone(), *v)).collect();
            let unique: BTreeSet<(Pattern, u8)> = found.iter().cloned().collect();
            prop_assert_eq!(unique.len(), found.len());
            prop_assert_eq!(unique, scan(&list, query), "for {}", query);
            expected.extend(found.into_iter().map(|(held, holder)| (query.clone(), held, holder)));
        }
        let together = index.first_overlaps(&queries, usize::MAX, &mut WorkBudget::unlimited(), |_, _, _| true).unwrap();
        let together: Vec<_> = together.iter().map(|o| (o.query.clone(), o.held.clone(), *o.holder)).collect();
        prop_assert_eq!(together, expected);
    }

    #[test]
    fn an_index_depends_on_its_content_and_not_on_its_history(
        kept in vec((patterns(), 0..3_u8), 0..30),
        passing in vec((patterns(), 0..3_u8), 0..30),
    ) {
        let mut straight = PatternIndex::new();
        kept.iter().for_each(|(pattern, holder)| { straight.insert(pattern, *holder); });

        let mut crooked = PatternIndex::new();
        passing.iter().chain(kept.iter().rev()).for_each(|(pattern, holder)| { crooked.insert(pattern, *holder); });
        let before = crooked.clone();
        passing.iter().filter(|pair| !kept.contains(pair)).for_each(|(pattern, holder)| { crooked.remove(pattern, holder); });

        prop_assert_eq!(&crooked, &straight);
        prop_assert_eq!(format!("{crooked:?}"), format!("{straight:?}"));
        prop_assert!(before.len() >= crooked.len());
    }
}

#[test]
fn a_query_meets_the_folders_above_it_and_everything_beneath() {
    let index =
        index_of(&[("src/", 1), ("src/auth/login.rs", 2), ("srcs/x", 3), ("**/*.rs", 4), ("docs/", 5)]);
    let pairs = |expected: &[(&str, u8)]| -> Vec<(String, u8)> {
        expected.iter().map(|(text, holder)| ((*text).to_owned(), *holder)).collect()
    };
    assert_eq!(found(&index, "src/auth/"), pairs(&[("**/*.rs", 4), ("src/", 1), ("src/auth/login.rs", 2)]));
    assert_eq!(found(&index, "src/README.md"), pairs(&[("src/", 1)]));
    assert_eq!(found(&index, "src"), pairs(&[("src/", 1), ("src/auth/login.rs", 2)]));
    assert_eq!(found(&index, "s*/x"), pairs(&[("src/", 1), ("srcs/x", 3)]));
    assert_eq!(found(&index, "tests/a.md"), pairs(&[]));
    assert_eq!(found(&index, ".").len(), 5);
}

#[test]
fn readers_share_a_pattern_and_leave_it_one_by_one() {
    let mut index = index_of(&[("docs/", 1), ("docs/", 2), ("docs/", 2)]);
    let docs = Pattern::parse("docs/").unwrap();
    assert_eq!(index.len(), 2);
    let before = index.clone();
    assert!(index.remove(&docs, &1));
    assert!(!index.remove(&docs, &1));
    assert_eq!(index, index_of(&[("docs/", 2)]));
    assert!(index.remove(&docs, &2));
    assert!(index.is_empty());
    assert_eq!(found(&index, "docs/a.md"), []);
    assert_eq!(before.len(), 2, "a version that was kept does not change");
}

#[test]
fn a_session_looks_for_the_first_claims_that_are_not_its_own() {
    let index = index_of(&[("src/", 1), ("src/a.rs", 2), ("src/b.rs", 2), ("docs/", 2)]);
    let queries: Vec<Pattern> = ["docs/x", "src/"].iter().map(|text| Pattern::parse(text).unwrap()).collect();
    let search = |limit, counts: &dyn Fn(u8) -> bool| {
        let mut work = WorkBudget::unlimited();
        index.first_overlaps(&queries, limit, &mut work, |_, _, holder| counts(*holder)).unwrap()
    };
    let others = search(2, &|holder| holder != 1);
    let others: Vec<(&str, &str)> = others.iter().map(|o| (o.query.as_str(), o.held.as_str())).collect();
    assert_eq!(others, [("docs/x", "docs/"), ("src/", "src/a.rs")]);
    assert!(search(2, &|holder| holder == 3).is_empty());
    assert!(search(0, &|_| true).is_empty());
}

#[test]
fn a_budget_ends_a_search_that_compares_too_much() {
    let index = index_of(&[("src/a.rs", 1), ("src/b.rs", 1), ("src/c.rs", 2)]);
    let queries: Vec<Pattern> =
        ["**/x*", "**/y*", "src/d.rs"].map(|text| Pattern::parse(text).unwrap()).into();
    let search = |work: &mut WorkBudget| {
        index.first_overlaps(&queries, 10, work, |_, _, _| true).map(|found| found.len())
    };
    let mut enough = WorkBudget::of(10_000);
    assert_eq!(search(&mut enough), Ok(0));
    let needed = enough.used();
    assert_eq!(search(&mut WorkBudget::of(needed)), Ok(0), "the same work each time");
    assert_eq!(search(&mut WorkBudget::of(needed - 1)), Err(OutOfBudget));
}

#[test]
fn holders_are_found_by_the_text_of_their_pattern() {
    let index = index_of(&[("src/", 1), ("src/", 2), ("src/a.rs", 3), ("src/**", 4)]);
    let holders =
        |text: &str| -> Vec<u8> { index.holders_of(&Pattern::parse(text).unwrap()).copied().collect() };
    assert_eq!(holders("src/"), [1, 2]);
    assert_eq!(holders("src/**"), [4]);
    assert!(holders("src").is_empty());
}
