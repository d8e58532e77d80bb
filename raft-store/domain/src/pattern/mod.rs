//! Claim patterns: what a feature touches, whether two of them can collide, and who holds them.
//! Never looks at a real file tree: a pattern speaks about every path that could ever exist.
//!
//! A pattern is a file (`src/db.rs`), a folder (`src/auth/`) or a glob (`src/**/*.rs`). All three
//! are, underneath, *a fixed prefix followed by a small automaton* that reads the rest of a path:
//! one that ends at once for a file, one that takes anything for a folder. So two patterns share
//! a path exactly when, after the prefixes agree, their automata can walk to the end together.
//!
//! In reading order:
//! - `normal`: one spelling for each path, or a reason why it has none.
//! - `parse`: [`Pattern`], the type that everything else speaks about.
//! - `syntax` and `charset`: what `*`, `?`, `[…]`, `{…}` and `**` mean.
//! - `compile` and `automaton`: the glob as a machine that reads one path.
//! - `product` and `visited`: two automata, walked together; finds a path that both accept.
//! - `overlap`: `matches` and `overlaps`, the questions that the rules ask.
//! - `index` and `probe`: every held pattern, found by place and never by scanning them all.
//! - `spelling` and `spelled`: which spellings are one file, and an index that goes by that.
//!
//! # What a pattern means
//! - Paths are relative, `/`-separated, case-sensitive. A backslash is a character like any other.
//!   What a project holds is compared by [`Case`] and in Unicode's composed form, whatever the spelling.
//! - `*` is any run of characters but `/`, a leading dot included, and at least one where it is a
//!   whole component. `?` is one character, `[a-z]` one of some, `[!a-z]` or `[^a-z]` one of the
//!   others; none of them is ever `/`. `[[:alpha:]]` and its like are taken as any one character.
//! - `**` is any run of characters, `/` included: `a/**/b` is also `a/b`, `a/**` is all beneath `a`.
//! - `{a,b}` is either, nested at will. A trailing `/` means everything beneath.
//! - A `[` or `{` that is never closed is itself. One that is closed is its glob meaning *or* its
//!   own text, because real files are called `app/[id]/page.tsx` and `{{cookiecutter}}`: so every
//!   pattern matches the path that is spelled like it.
//! - The alternatives of braces are read as if each had been given alone: `{./a,b/}` is the file
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
pub use normal::MAX_PATTERN_BYTES;
pub use overlap::Collision;
pub use parse::{Pattern, PatternKind};
pub use probe::Overlap;
pub use spelled::SpelledIndex;
pub use spelling::Case;
