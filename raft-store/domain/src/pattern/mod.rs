//! Claim patterns: parsing them, deciding whether two of them can collide, and an index of held ones. No real file tree
//! is read: a pattern is about every path that could ever exist.
//!
//! A pattern is a file (`src/db.rs`), a folder (`src/auth/`) or a glob (`src/**/*.rs`). All three
//! are, underneath, *a fixed prefix followed by a small automaton* that reads the rest of a path:
//! one that ends at once for a file, one that takes anything for a folder. So two patterns share
//! a path exactly when the prefixes agree and both automata can reach their ends by the same text.
//!
//! In reading order:
//! - `limits`: what bounds the work of one pattern, and of a pair.
//! - `normal`: the normal form of a path, or the reason why it has none.
//! - `parse`: [`Pattern`], the type that all other modules use.
//! - `syntax` and `charset`: the meaning of `*`, `?`, `[…]`, `{…}` and `**`.
//! - `compile` and `automaton`: a glob as an automaton that reads one path.
//! - `product` and `visited`: the product of two automata, searched for a path that both accept.
//! - `overlap`: `matches`, `collision` and `overlaps`, which the rules call.
//! - `index`: all held patterns, sorted by their folders. `probe`: finds those that overlap a query, never by a scan of
//!   all.
//! - `spelling` and `spelled`: which spellings are one file, and an index that compares them so.
//!
//! # What a pattern means
//! - Paths are relative, `/`-separated, case-sensitive. A backslash is a character like any other.
//!   Held patterns are compared by [`Case`] and in Unicode's composed form, whatever their spelling.
//! - `*` is any run of characters but `/`, a leading dot included, and at least one where it is a
//!   whole component. `?` is one character, `[a-z]` one of some, `[!a-z]` or `[^a-z]` one of the
//!   others; none of them is ever `/`. `[[:alpha:]]` and its like are taken as any one character.
//! - `**` is any run of characters, `/` included: `a/**/b` is also `a/b`, `a/**` is all beneath `a`.
//! - `{a,b}` is either, nested at will. A trailing `/` means everything beneath.
//! - A `[` or `{` that is never closed stands for itself. A closed one has its meaning in globs *or* stands for
//!   its own text, because real files are called `app/[id]/page.tsx` and `{{cookiecutter}}`: so every
//!   pattern matches the path that is spelled like it.
//! - The alternatives of braces are read as if each was a pattern of its own: `{./a,b/}` is the file
//!   `a` or the folder `b`.
//!
//! # What a collision is
//! Two patterns collide when some path matches both, or when one names a file where the other
//! needs a folder (`src` and `src/a.rs`: Git can hold only one of them). The second rule looks at
//! fixed text alone: `src/a.rs` and `**/mod.rs` do not collide.

mod automaton;
mod charset;
mod compile;
mod error;
mod index;
mod limits;
mod normal;
mod overlap;
mod parse;
mod probe;
mod product;
mod spelled;
mod spelling;
mod syntax;
mod visited;

pub use error::{Complexity, PatternError};
pub use index::PatternIndex;
pub use limits::MAX_PATTERN_BYTES;
pub use overlap::Collision;
pub use parse::{Pattern, PatternKind};
pub use probe::Overlap;
pub use spelled::SpelledIndex;
pub use spelling::Case;
