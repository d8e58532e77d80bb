//! The spellings that mean one file: a file system may ignore case, and macOS and Linux may compose letters
//! differently.
//!
//! This is part of the rules. The tables of Unicode come with a crate of a pinned version, and a test fixes them, since
//! every node has to compare alike.

use super::{
    Pattern,
    parse::Shape,
    syntax::{self, Piece},
};
use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Steps of converting one byte of a path to the compared spelling.
const STEPS_OF_BYTE: usize = 20;
/// Steps of one byte of a glob, which is converted and compiled: up to a tenth of a millisecond for the longest.
const STEPS_OF_GLOB_BYTE: usize = 100;

/// How names that differ in case alone are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Case {
    /// `README.md` and `Readme.md` are two files.
    #[default]
    Sensitive,
    /// They are one file: a member's checkout is on a file system that ignores case.
    Insensitive,
}

impl Case {
    /// The name, as people and clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sensitive => "sensitive",
            Self::Insensitive => "insensitive",
        }
    }
}

impl Pattern {
    /// Steps of converting the pattern to the spelling that is compared, for a lookup or a claim; 0 if that is its own.
    pub(crate) fn steps_of_spelling(&self, case: Case) -> usize {
        let bytes = self.as_str().len();
        match self.shape() {
            _ if self.is_as_compared(case) => 0,
            Shape::File | Shape::Folder(_) => STEPS_OF_BYTE * bytes,
            Shape::Glob(_) => STEPS_OF_GLOB_BYTE * bytes,
        }
    }

    /// Whether the pattern has only one spelling.
    fn is_as_compared(&self, case: Case) -> bool {
        let text = self.as_str();
        match case {
            Case::Sensitive => text.is_ascii() || composer().is_normalized(text),
            Case::Insensitive => {
                // A class may contain letters of the other case, or exclude letters.
                let has_class = matches!(self.shape(), Shape::Glob(_)) && text.contains('[');
                !has_class && text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
            }
        }
    }

    /// The pattern in the spelling that is compared, which is the same for all spellings of a file. Wildcards stand for
    /// letters of that spelling; one that cannot be expressed in it stands for more. Globs are compiled again, which
    /// costs [`steps_of_spelling`](Self::steps_of_spelling).
    pub(super) fn compared_as(&self, case: Case) -> Cow<'_, Self> {
        if self.is_as_compared(case) {
            return Cow::Borrowed(self);
        }
        let text = self.as_str();
        Cow::Owned(match self.shape() {
            Shape::File => Self::of_file(&spelled(text, case)),
            Shape::Folder(_) => Self::of_folder(&spelled(self.anchor(), case)),
            // It is too complex in that spelling: everything beneath its fixed folder stands for it.
            Shape::Glob(_) => glob(&spelled(text, case), case)
                .unwrap_or_else(|| Self::of_folder(&spelled(self.anchor(), case))),
        })
    }
}

fn spelled(text: &str, case: Case) -> String {
    match case {
        Case::Sensitive => composer().normalize(text).into_owned(),
        // Letters and marks are folded one by one, as in APFS: a composed letter may have no composed form in the
        // other case.
        Case::Insensitive => {
            let letters = DecomposingNormalizerBorrowed::new_nfd().normalize(text);
            let folded: String = letters.chars().map(folded).collect();
            composer().normalize(&folded).into_owned()
        }
    }
}

fn glob(text: &str, case: Case) -> Option<Pattern> {
    let mut syntax = syntax::read(text).ok()??;
    if case == Case::Insensitive {
        take_any_case(&mut syntax.pieces);
    }
    Pattern::of_glob(text, &syntax).ok()
}

/// Replaces a class by any character: the characters that it stands for in one case are more than its ranges.
fn take_any_case(pieces: &mut [Piece]) {
    for piece in pieces {
        match piece {
            Piece::Set(_) => *piece = Piece::One,
            Piece::Choice(choices) => choices.iter_mut().for_each(|choice| take_any_case(choice)),
            Piece::Char(_) | Piece::One | Piece::Star | Piece::Any => {}
        }
    }
}

/// Folds the case of a letter, one character to one, as file systems do.
fn folded(letter: char) -> char {
    if letter.is_ascii() { letter.to_ascii_lowercase() } else { CaseMapper::new().simple_fold(letter) }
}

const fn composer() -> ComposingNormalizerBorrowed<'static> {
    ComposingNormalizerBorrowed::new_nfc()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*, sample::select};

    fn compared(text: &str, case: Case) -> String {
        Pattern::parse(text).unwrap().compared_as(case).as_str().to_owned()
    }

    fn is_one_file(a: &str, b: &str, case: Case) -> bool {
        let [a, b] = [a, b].map(|text| Pattern::parse(text).unwrap().compared_as(case).into_owned());
        a.overlaps(&b)
    }

    #[test]
    fn composed_and_decomposed_letters_are_one_file_whatever_the_case() {
        for case in [Case::Sensitive, Case::Insensitive] {
            assert_eq!(compared("caf\u{e9}.rs", case), compared("cafe\u{301}.rs", case));
            assert!(is_one_file("caf?.rs", "cafe\u{301}.rs", case));
        }
        assert_ne!(compared("README.md", Case::Sensitive), compared("Readme.md", Case::Sensitive));
    }

    #[test]
    fn names_that_differ_in_case_alone_are_one_file_where_case_is_ignored() {
        let one = |a, b| assert!(is_one_file(a, b, Case::Insensitive), "{a} and {b}");
        let two = |a, b| assert!(!is_one_file(a, b, Case::Insensitive), "{a} and {b}");
        one("README.md", "Readme.md");
        one("Src/", "src/db.rs");
        one("SRC/*.RS", "src/db.rs");
        one("\u{c9}t\u{e9}.md", "e\u{301}T\u{c9}.md");
        one("\u{3a3}.md", "\u{3c2}.md");
        // These letters have an other case that is composed differently, or not at all.
        one("\u{390}.md", "\u{3aa}\u{301}.md");
        one("\u{1f0}.md", "J\u{30c}.md");
        one("\u{130}.md", "i\u{307}.md");
        one("\u{1e96}.md", "H\u{331}.md");
        // These are classes and negated classes, in either case.
        one("[A-Z]ain.rs", "main.rs");
        one("[!a-z].rs", "A.rs");
        one("app/[ID]/page.tsx", "app/[id]/page.tsx");
        two("README.md", "README.txt");
        two("src/a.rs", "src/b.rs");
        two("[ab].rs", "long.rs");
    }

    #[test]
    fn nothing_is_made_anew_for_names_in_lower_case() {
        for text in ["src/db.rs", "src/", "src/**/*.rs", "app/[id].rs"] {
            let pattern = Pattern::parse(text).unwrap();
            assert!(matches!(pattern.compared_as(Case::Sensitive), Cow::Borrowed(_)), "{text}");
        }
        let pattern = Pattern::parse("src/**/*.rs").unwrap();
        assert!(matches!(pattern.compared_as(Case::Insensitive), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn whatever_a_pattern_matches_it_matches_in_one_spelling_too(
            letters in vec((select("aAzZéÉſsSßKk\u{212a}./[]!-".chars().collect::<Vec<_>>()), 0..8_u8), 1..12),
        ) {
            let path: String = letters.iter().map(|(letter, _)| *letter).collect();
            let in_pattern = |(letter, how): &(char, u8)| match how {
                _ if *letter == '/' => "/".to_owned(),
                0 => "?".to_owned(),
                1 => "*".to_owned(),
                2 => format!("[{letter}]"),
                3 => format!("[!q{letter}]"),
                4 => format!("{{q,{letter}}}"),
                5 if *letter == 'é' => "e\u{301}".to_owned(),
                _ => letter.to_string(),
            };
            let text: String = letters.iter().map(in_pattern).collect();
            let (Ok(pattern), Ok(path)) = (Pattern::parse(&text), Pattern::parse(&path)) else { return Ok(()) };
            if !pattern.overlaps(&path) {
                return Ok(());
            }
            for case in [Case::Sensitive, Case::Insensitive] {
                let (compared, of_path) = (pattern.compared_as(case), path.compared_as(case));
                prop_assert!(compared.overlaps(&of_path), "{text} and {path} as {compared} and {of_path}");
            }
        }
    }

    #[test]
    fn every_node_compares_by_the_same_tables() {
        // This is the FNV-1a of all letters with their folded forms. Another hash needs another version of the rules:
        // nodes of two versions would decide differently.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for letter in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let text = letter.to_string();
            let compared = [Case::Sensitive, Case::Insensitive].map(|case| spelled(&text, case));
            for become_of in compared.iter().flat_map(|text| text.chars()) {
                hash = (hash ^ u64::from(u32::from(become_of))).wrapping_mul(0x0100_0000_01b3);
            }
        }
        assert_eq!(hash, 0xbb68_8827_1fed_0fea);
    }
}
