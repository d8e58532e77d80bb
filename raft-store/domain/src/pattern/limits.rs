//! The limits of one pattern and of comparing two. They are known to what reads patterns and to what refuses them.

/// The longest pattern in bytes, which the API documents. No path that Git can check out on all systems is longer.
pub const MAX_PATTERN_BYTES: usize = 1_024;

/// The deepest nesting of braces. Each level repeats its text as a literal; no real name or list of alternatives nests
/// as deep.
pub(super) const MAX_BRACE_DEPTH: usize = 8;

/// The most `*` and `**` in one pattern. Each may keep a state active for the whole of a path, so this bounds the work
/// for each character. No pattern that a person can read has as many.
pub(super) const MAX_STARS: usize = 20;

/// Steps of deciding one pair: half a millisecond. Everyday pairs need some hundreds or thousands; two lists of forty
/// names with a common beginning need nearly all of them.
pub(super) const MAX_STEPS_OF_PAIR: usize = 262_144;
