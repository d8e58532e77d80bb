//! A second meaning of patterns ([`matcher`]), and the patterns and paths that it is compared on.

#![allow(dead_code, unreachable_pub, unused_imports)]

mod matcher;

pub use matcher::{matches, one_is_file_above};

use nexus_domain::pattern::Pattern;
use proptest::prelude::*;

/// Every path of up to four components out of a few that resemble each other.
pub fn all_paths() -> Vec<String> {
    let names = ["a", "b", "ab", "a.b"];
    let mut paths: Vec<String> = Vec::new();
    let mut deepest: Vec<String> = vec![String::new()];
    for _ in 0..4 {
        deepest = deepest
            .iter()
            .flat_map(|above| {
                names.map(|name| if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") })
            })
            .collect();
        paths.extend(deepest.iter().cloned());
    }
    paths
}

/// Patterns of every kind over the names of [`all_paths`].
pub fn patterns() -> impl Strategy<Value = Pattern> {
    let name = prop::sample::select(vec!["a", "b", "ab", "a.b"]);
    let wild = prop::sample::select(vec![
        "*",
        "?",
        "**",
        "***",
        "a*",
        "*b",
        "?b",
        "a?b",
        "*.b",
        "a**",
        "**b",
        "a**b",
        "[ab]",
        "[!a]",
        "[^b]b",
        "[a-c]",
        "[b-a]",
        "[]a]",
        "a[.]b",
        "[a",
        "[id]",
        "{a,b}",
        "{a,{b,ab}}",
        "{a,}b",
        "{,a}",
        "{*,ab}",
        "{a*,?b}",
        "{**,b}",
        "{a/b,b}",
        "{a/,b}",
        "{./a,b}",
        "{a,b/*}",
        "a{,/b}",
        "{{a}}",
        "{a",
        "a}",
        "{a,[,]}",
        "{a,[b}]}",
        ".{,a}",
        "*{,b}",
        "{*,**}b",
    ]);
    let component = prop_oneof![2 => name.prop_map(str::to_owned), 1 => wild.prop_map(str::to_owned)];
    let spelled = (prop::collection::vec(component, 1..4), any::<bool>())
        .prop_map(|(components, folder)| components.join("/") + if folder { "/" } else { "" });
    let scribbled = prop::string::string_regex(r"[ab./*?\[\]{},!\-]{1,9}").expect("it is a regex");
    prop_oneof![4 => spelled, 1 => scribbled]
        .prop_filter_map("not a pattern", |text| Pattern::parse(&text).ok())
}
