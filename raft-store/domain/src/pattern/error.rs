//! Why a text is not a pattern. Never carries the text itself: the caller knows it.

use super::normal::MAX_PATTERN_BYTES;
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
    /// Its wildcards need more states, edges or nesting than the compiler gives one pattern.
    #[error("the pattern is too complex; claim the folder, or several simpler patterns")]
    TooComplex,
}
