//! Parses a list of paths from a client. A list that would take too long to parse, or too much memory, is refused
//! before it is parsed completely.

use nexus_domain::{
    decide::{MAX_AUTOMATA, MAX_GLOBS},
    pattern::Pattern,
};
use std::cell::Cell;

/// Parses the paths of one list. Once too many have wildcards or brackets, none is parsed any more: each may take a
/// tenth of a millisecond.
#[derive(Default)]
pub(super) struct Paths {
    wild: Cell<usize>,
    automaton_bytes: Cell<u64>,
}

impl Paths {
    /// Parses the next path.
    ///
    /// # Errors
    /// A description of the problem, for people.
    pub(super) fn read(&self, text: &str) -> Result<Pattern, String> {
        self.check()?;
        let pattern = Pattern::parse(text).map_err(|problem| problem.to_string())?;
        self.wild.update(|count| count + usize::from(pattern.is_wild()));
        self.automaton_bytes.update(|bytes| bytes + pattern.automaton_bytes());
        self.check()?;
        Ok(pattern)
    }

    fn check(&self) -> Result<(), String> {
        if self.wild.get() > MAX_GLOBS {
            return Err(format!("is one too many with wildcards: at most {MAX_GLOBS} are allowed"));
        }
        if self.automaton_bytes.get() > MAX_AUTOMATA {
            return Err("is one too many with so many brackets: claim the folder instead".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_bounded_number_of_wildcards_and_bytes_of_brackets() {
        let paths = Paths::default();
        let wild = |n: usize| paths.read(&format!("src/{n}/*.rs"));
        assert!((0..MAX_GLOBS).all(|n| wild(n).is_ok()));
        assert!(wild(MAX_GLOBS).unwrap_err().contains("wildcards"));
        assert!(paths.read("src/db.rs").unwrap_err().contains("wildcards"), "nothing is read any more");

        let paths = Paths::default();
        let brackets = |n: usize| paths.read(&format!("{n}/{}", "[a]".repeat(330)));
        let accepted = (0..1_000).take_while(|n| brackets(*n).is_ok()).count();
        assert!((100..500).contains(&accepted), "{accepted}");
        assert!(brackets(1_000).unwrap_err().contains("brackets"));
    }

    #[test]
    fn what_a_framework_calls_its_files_is_no_bracket_too_many() {
        let paths = Paths::default();
        assert!((0..10_000).all(|n| paths.read(&format!("app/[locale]/shop/[id]/{n}/page.tsx")).is_ok()));
    }
}
