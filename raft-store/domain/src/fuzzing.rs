//! The fuzz target of this crate, for tests/fuzz and for the unit test below.

#[path = "../tests/pattern_oracle/matcher.rs"]
#[allow(unreachable_pub)]
mod matcher;

use crate::{
    pattern::{Case, Pattern, PatternIndex, PatternKind, SpelledIndex},
    work::WorkBudget,
};

/// The longest pattern, in bytes, that the simple matcher gets: it expands every choice.
const LONGEST_EXPANDED: usize = 20;

/// The longest path, in bytes, that the simple matcher gets: it tries every way.
const LONGEST_TRIED: usize = 16;

/// Two patterns and a path, on a line each: patterns have one normal form, match what the simple matcher matches, and
/// collide wherever they share a path, in each index of claims too.
///
/// # Panics
/// If one of these properties does not hold.
pub fn pattern(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n').map(Pattern::parse);
    let (one, other, path) = (lines.next(), lines.next(), lines.next());
    let Some(Ok(one)) = one else { return };
    is_in_normal_form(&one);
    let Some(Ok(other)) = other else { return };
    is_in_normal_form(&other);
    let is_certain = collide(&one, &other);
    // A path in its normal form, as the name of a file.
    let path = path.and_then(Result::ok);
    let Some(path) = path.as_ref().map(Pattern::as_str).filter(|path| !path.ends_with('/')) else { return };
    for pattern in [&one, &other] {
        if is_simple(pattern) && path.len() <= LONGEST_TRIED {
            assert_eq!(
                pattern.matches(path),
                matcher::matches(pattern.as_str(), path),
                "{pattern} on {path}"
            );
        }
    }
    assert!(is_certain || !(one.matches(path) && other.matches(path)), "{one} and {other} share {path}");
}

fn is_in_normal_form(pattern: &Pattern) {
    let again = Pattern::parse(pattern.as_str());
    assert_eq!(again.as_ref(), Ok(pattern));
    assert_eq!(again.map(|again| again.kind()), Ok(pattern.kind()));
    assert!(pattern.overlaps(pattern), "{pattern} collides with itself");
    assert!(pattern.matches(&own_path(pattern)), "{pattern} matches its own text");
    assert!(pattern.kind() == PatternKind::Glob || pattern.automaton_bytes() == 0);
}

/// A path with the spelling of the pattern; for a folder, a path just beneath.
fn own_path(pattern: &Pattern) -> String {
    match pattern.as_str() {
        "./" => "x".to_owned(),
        folder if folder.ends_with('/') => format!("{folder}x"),
        text => text.to_owned(),
    }
}

/// Checks all that tells whether two patterns collide, and returns whether they do.
fn collide(one: &Pattern, other: &Pattern) -> bool {
    let overlap = one.overlaps(other);
    assert_eq!(overlap, other.overlaps(one), "{one} and {other}");
    if let Some(path) = one.common_path(other) {
        assert!(overlap, "{one} and {other} share {path}");
        let is_shared = one.matches(&path) && other.matches(&path);
        let is_above = matcher::one_is_file_above(one.as_str(), other.as_str());
        assert!(is_shared || is_above, "{one} and {other} were said to share {path}");
    }
    let mut index = PatternIndex::new();
    assert!(index.insert(one, ()) && !index.insert(one, ()));
    assert_eq!(index.overlapping(other).count(), usize::from(overlap), "{one} is held, {other} is asked");
    for case in [Case::Sensitive, Case::Insensitive] {
        let mut spelled = SpelledIndex::new(case);
        spelled.insert(one, ());
        let found = spelled.first_overlaps(&[other], 1, &mut WorkBudget::unlimited(), |held, ()| held == one);
        // Another spelling is one more way to collide.
        assert!(
            !overlap || found.is_ok_and(|found| found.len() == 1),
            "{one} and {other} by {}",
            case.name()
        );
        assert!(spelled.remove(one, ()) && spelled.is_empty(), "{one} by {}", case.name());
    }
    assert!(index.remove(one, &()) && index.is_empty());
    overlap
}

/// Whether the simple matcher reads the pattern in a short time, and as it is meant: it knows no named classes.
fn is_simple(pattern: &Pattern) -> bool {
    let text = pattern.as_str();
    text.len() <= LONGEST_EXPANDED && !["[:", "[.", "[="].iter().any(|class| text.contains(class))
}

#[cfg(test)]
mod tests {
    #[test]
    fn patterns_pass_their_corpus() {
        let seeds = [
            ("files", "src/db.rs\nsrc/db.rs/x\nsrc/db.rs"),
            ("folder", "src/auth/\n./src/auth/../auth//login.rs\nsrc/auth/login.rs"),
            ("root", ".\n**\nx"),
            ("globs", "src/**/*.rs\nsrc/*/mod.rs\nsrc/a/mod.rs"),
            ("brackets", "app/[id]/page.tsx\napp/?d/*\napp/i/page.tsx"),
            ("classes", "[!a-c]x[[:alpha:]]\n[^b]{x,[b-a]}?\ndxx"),
            ("braces", "{a,{b,ab}}/{,c}*\na{,/b}**\nab/c"),
            ("dots", ".{,a}/./{./a,b}\n*.b/\n.a/a"),
            ("case", "README.md\nreadme.MD\nReadme.md"),
            ("letters", "caf\u{e9}/\u{df}\ncafe\u{301}/SS\ncaf\u{e9}/\u{df}"),
            ("stars", "*a*a*a*a*a*a*a*a*b\n**a**b**a**b\naaaaaaaaab"),
        ];
        let seeds = seeds.map(|(name, text)| (name.to_owned(), text.into()));
        nexus_corpora::pass("pattern", super::pattern, seeds.into());
    }
}
