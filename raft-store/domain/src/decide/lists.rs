//! The lists of paths and slugs that commands name, and their limits.

use crate::{pattern::Pattern, refusal::Refusal};
use std::{collections::BTreeSet, sync::Arc};

/// Paths of one feature, `touches` and `reads` together: bounds the time of one log entry.
pub const MAX_PATTERNS: usize = 10_000;
/// Paths of one feature with a real wildcard, which a bracketed name is not. Every pick beneath its folder compares a
/// held glob, and a wanted glob is compared with everything held there.
pub const MAX_GLOBS: usize = 100;
/// Bytes of all automata of one list. Ten thousand names like `app/[id]/page.tsx` take some 5 MB, which are built in
/// some 20 ms. Bracketed names are not counted as globs, but a thousand long ones of nothing but brackets would take 60
/// MB.
pub const MAX_AUTOMATA: u64 = 8 << 20;

/// The same items in the order of their first occurrence, each once.
pub(crate) fn distinct<T: Ord + Clone>(things: &Arc<[T]>) -> Arc<[T]> {
    let mut seen = BTreeSet::new();
    if things.iter().all(|thing| seen.insert(thing)) {
        return things.clone();
    }
    let mut seen = BTreeSet::new();
    things.iter().filter(|thing| seen.insert(*thing)).cloned().collect()
}

/// Refuses more paths than one command may name.
pub(crate) fn check_patterns(what: &str, touches: &[Pattern], reads: &[Pattern]) -> Result<(), Refusal> {
    let too_many = |what: String, limit: usize| Err(Refusal::TooMany { what, limit: limit as u64 });
    if touches.len() + reads.len() > MAX_PATTERNS {
        return too_many(what.to_owned(), MAX_PATTERNS);
    }
    if touches.iter().chain(reads).filter(|path| path.is_wild()).count() > MAX_GLOBS {
        return too_many(format!("patterns with wildcards in {what}"), MAX_GLOBS);
    }
    let automata: u64 = touches.iter().chain(reads).map(Pattern::automaton_bytes).sum();
    if automata > MAX_AUTOMATA {
        let what =
            format!("bytes of memory for the brackets and wildcards in {what} (claim folders instead)");
        return Err(Refusal::TooMany { what, limit: MAX_AUTOMATA });
    }
    Ok(())
}
