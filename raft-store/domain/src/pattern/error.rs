//! Why a text is not a pattern. Never carries the text itself: the caller knows it.

use super::{compile::MAX_STARS, normal::MAX_PATTERN_BYTES, syntax::MAX_BRACE_DEPTH};
use thiserror::Error;

/// Why a text cannot be claimed. All of them are the client's to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing was given.
    #[error("a path must not be empty; `./` means the whole repository")]
    Empty,
    /// It starts at the root of a file system, of Unix or of Windows.
    #[error("a path must be relative to the repository, not absolute")]
    Absolute,
    /// Its `..` leaves the repository.
    #[error("a path must not leave the repository with `..`")]
    EscapesRoot,
    /// A `..` stands behind or inside an expression, so that what it undoes is not known.
    #[error("`..` must not follow a wildcard or stand in braces; write the path without it")]
    ParentOfWildcard,
    /// It holds NUL, a line break or another control character.
    #[error("a path must not contain control characters")]
    ControlCharacter,
    /// It is longer than [`MAX_PATTERN_BYTES`].
    #[error("a path must not be longer than {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    /// Comparing it with others would take more work than anybody's pattern may cause.
    #[error("the pattern is too complex: {0}; claim the folder, or several simpler patterns")]
    TooComplex(Complexity),
}

/// What makes a pattern dear to compare with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Complexity {
    /// Braces within braces within braces.
    #[error("its braces nest deeper than {MAX_BRACE_DEPTH} levels")]
    Nesting,
    /// Each may keep a place alive for the whole of a path.
    #[error("it has more than {MAX_STARS} `*` or `**`")]
    Stars,
    /// More text in brackets and braces than is kept compiled.
    #[error("its brackets and braces have too much text in them")]
    Size,
    /// Alternatives that may be left out one by one, for example.
    #[error("too many of its alternatives may follow each other")]
    Followers,
    /// The same text can be read in too many ways: many `*` or optional parts behind each other.
    #[error("its `*`, `?`, brackets and braces can match one and the same path in too many ways")]
    Ways,
}
