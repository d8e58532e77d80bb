//! Compares random patterns with a matcher that is too simple to be wrong.
#![allow(clippy::unwrap_used)]

mod pattern_oracle;

use nexus_domain::pattern::{Pattern, PatternKind};
use pattern_oracle::{all_paths, matches, one_is_file_above, patterns};
use proptest::prelude::*;

/// A path with the spelling of the pattern; for a folder, a path just beneath.
fn own_path(pattern: &Pattern) -> String {
    match pattern.as_str() {
        "./" => "x".to_owned(),
        folder if folder.ends_with('/') => format!("{folder}x"),
        text => text.to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_pattern_matches_what_the_simple_matcher_says(pattern in patterns()) {
        for path in all_paths() {
            prop_assert_eq!(pattern.matches(&path), matches(pattern.as_str(), &path), "{} on {}", pattern, path);
        }
    }

    #[test]
    fn a_collision_is_never_missed(one in patterns(), other in patterns()) {
        let shared = all_paths().into_iter().find(|path| one.matches(path) && other.matches(path));
        if let Some(path) = shared {
            prop_assert!(one.overlaps(&other), "{} and {} share {}", one, other, path);
        }
        if one_is_file_above(one.as_str(), other.as_str()) {
            prop_assert!(one.overlaps(&other), "{} and {} cannot both be in one tree", one, other);
        }
    }

    #[test]
    fn a_collision_is_never_needless(one in patterns(), other in patterns()) {
        prop_assert_eq!(one.overlaps(&other), one.common_path(&other).is_some());
        let Some(path) = one.common_path(&other) else { return Ok(()) };
        let is_shared = matches(one.as_str(), &path) && matches(other.as_str(), &path);
        prop_assert!(
            is_shared || one_is_file_above(one.as_str(), other.as_str()),
            "{} and {} were said to share {}", one, other, path
        );
    }

    #[test]
    fn collisions_are_mutual(one in patterns(), other in patterns()) {
        prop_assert_eq!(one.overlaps(&other), other.overlaps(&one));
    }

    #[test]
    fn a_pattern_collides_with_itself_and_matches_its_own_text(pattern in patterns()) {
        prop_assert!(pattern.overlaps(&pattern));
        prop_assert!(pattern.matches(&own_path(&pattern)), "{}", pattern);
        if pattern.kind() != PatternKind::Folder {
            let as_file = Pattern::parse(pattern.as_str()).unwrap();
            prop_assert!(pattern.overlaps(&as_file));
        }
    }

    #[test]
    fn the_normal_form_is_its_own_normal_form(pattern in patterns()) {
        let again = Pattern::parse(pattern.as_str()).unwrap();
        prop_assert_eq!(&again, &pattern);
        prop_assert_eq!(again.kind(), pattern.kind());
    }

    #[test]
    fn any_text_is_a_pattern_or_an_error(text in any::<String>(), other in any::<String>()) {
        let Ok(pattern) = Pattern::parse(&text) else { return Ok(()) };
        prop_assert_eq!(Pattern::parse(pattern.as_str()).unwrap(), pattern.clone());
        prop_assert!(pattern.matches(&own_path(&pattern)));
        if let Ok(other) = Pattern::parse(&other) {
            prop_assert_eq!(pattern.overlaps(&other), other.overlaps(&pattern));
        }
    }

    #[test]
    fn any_heap_of_wildcards_is_a_pattern_or_an_error(
        one in r"[a*?\[\]{},./!:é-]{0,60}", other in r"[a*?\[\]{},./!:é-]{0,60}"
    ) {
        let (Ok(one), Ok(other)) = (Pattern::parse(&one), Pattern::parse(&other)) else { return Ok(()) };
        prop_assert!(one.matches(&own_path(&one)), "{}", one);
        prop_assert_eq!(one.overlaps(&other), other.overlaps(&one));
        if one.matches(&own_path(&other)) {
            prop_assert!(one.overlaps(&other), "{} and {}", one, other);
        }
    }
}

proptest! {
    // There are fewer cases, since each may take as long as any pattern may.
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_longest_heap_of_wildcards_is_a_pattern_or_an_error(
        one in r"[a-c*?\[\]{},./!é-]{0,1024}", other in r"[a-c*?{},./]{0,1024}"
    ) {
        let (one, other) = (Pattern::parse(&one), Pattern::parse(&other));
        if let (Ok(one), Ok(other)) = (&one, &other) {
            prop_assert_eq!(one.overlaps(other), other.overlaps(one));
        }
        for pattern in [&one, &other].into_iter().flatten() {
            let again = Pattern::parse(pattern.as_str());
            prop_assert_eq!(again.as_ref(), Ok(pattern));
            prop_assert!(pattern.matches(&own_path(pattern)), "{}", pattern);
        }
    }
}
