//! Why a text is not a pattern. The error does not contain the text, which the caller has.

use super::limits::{MAX_BRACE_DEPTH, MAX_PATTERN_BYTES, MAX_STARS};
use thiserror::Error;

/// Why a text cannot be claimed. The client can correct each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PatternError {
    /// The text is empty.
    #[error("a path must not be empty; `./` means the whole repository")]
    Empty,
    /// The path starts at the root of a file system, of Unix or of Windows.
    #[error("a path must be relative to the repository, not absolute")]
    Absolute,
    /// A `..` leaves the repository.
    #[error("a path must not leave the repository with `..`")]
    EscapesRoot,
    /// A `..` stands behind or inside an expression, so that the folder it removes is unknown.
    #[error("`..` must not follow a wildcard or stand in braces; write the path without it")]
    ParentOfWildcard,
    /// The text contains NUL, a line break or another control character.
    #[error("a path must not contain control characters")]
    ControlCharacter,
    /// The text is longer than [`MAX_PATTERN_BYTES`].
    #[error("a path must not be longer than {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    /// Comparing the pattern with others would take too much work.
    #[error("the pattern is too complex: {0}; claim the folder, or several simpler patterns")]
    TooComplex(Complexity),
}

/// The part of a pattern that makes it expensive to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Complexity {
    /// The braces nest too deep.
    #[error("its braces nest deeper than {MAX_BRACE_DEPTH} levels")]
    Nesting,
    /// There are too many `*`: each may keep a state active for the whole of a path.
    #[error("it has more than {MAX_STARS} `*` or `**`")]
    Stars,
    /// The text in brackets and braces compiles to too many states.
    #[error("its brackets and braces have too much text in them")]
    Size,
    /// There are too many transitions, for example of alternatives that are all optional.
    #[error("too many of its alternatives may follow each other")]
    Followers,
    /// A text can be read in too many ways, through many `*` or optional parts in a row.
    #[error("its `*`, `?`, brackets and braces can match one and the same path in too many ways")]
    Ways,
}
