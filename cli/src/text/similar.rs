//! The name that a misspelt one probably stands for.

/// How alike two names must be, from 0 to 1, for one to be a slip of the other: at most three of ten letters differ.
const ALIKE: f64 = 0.7;

/// The item whose name is spelled most like `word`, if one is near.
pub(crate) fn nearest<T>(
    items: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &str,
    word: &str,
) -> Option<T> {
    let scored = items
        .into_iter()
        // Names of very different lengths cannot be alike: comparing them would take the most time.
        .filter(|item| name(item).len().abs_diff(word.len()) * 3 <= word.len())
        .map(|item| (strsim::normalized_damerau_levenshtein(name(&item), word), item));
    let (score, best) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score >= ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_found_and_another_word_is_not() {
        let slugs = ["billing", "search", "docs"];
        let meant = |word| nearest(slugs, |slug| slug, word);
        assert_eq!(meant("biling"), Some("billing"));
        assert_eq!(meant("serach"), Some("search"));
        assert_eq!(meant("invoices"), None);
        assert_eq!(meant(""), None);
    }
}
