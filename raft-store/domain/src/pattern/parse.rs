//! [`Pattern`]: a text that was parsed once, so that every later comparison is cheap. No file system is read: whether a
//! path exists does not matter here.

use super::{
    Complexity, PatternError,
    automaton::Automaton,
    compile::compile,
    limits::MAX_STEPS_OF_PAIR,
    normal::normalise,
    product::meet_itself,
    syntax::{self, Piece, Syntax},
};
use crate::work::{OutOfBudget, WorkBudget};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{cmp::Ordering, fmt, hash, str::FromStr, sync::Arc};

/// An automaton with at most this many edges is within every limit: comparing all pairs of them takes less than half of
/// [`MAX_STEPS_OF_PAIR`]. Everyday patterns need no walk to check that.
const EDGES_OF_SIMPLE: usize = 32;
/// The bytes of a glob without its states, edges and sets.
const GLOB_BYTES: usize = 200;

/// A file, a folder or a glob that can be claimed, in its normal form.
///
/// Two patterns are equal if their normal forms are; `src/` and `src/**` mean the same and still differ. A pattern is
/// cheap to clone. It is serialised as its text, and checked when it is deserialised.
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    shape: Shape,
}

/// The kind of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternKind {
    /// One path: `src/db.rs`.
    File,
    /// Everything beneath a path: `src/auth/`, or another form of that, such as `src/auth/**`.
    Folder,
    /// Anything else with a wildcard in it: `src/*.rs`.
    Glob,
}

#[derive(Clone)]
pub(super) enum Shape {
    File,
    /// A folder, with the length of its path in bytes; 0 for the whole repository.
    Folder(u16),
    Glob(Arc<Glob>),
}

/// A glob: its fixed texts, and an automaton for the part between.
pub(super) struct Glob {
    /// The bytes before the first wildcard: every matching path begins with them.
    fixed: u16,
    /// The last bytes of the text: every matching path ends with them.
    pub(super) tail: u16,
    /// The longest text between two wildcards: every matching path contains it somewhere after `fixed`. Searching it
    /// takes a tenth of the time of reading the path.
    pub(super) needle: Box<str>,
    /// The automaton that reads a path from `fixed` on.
    pub(super) automaton: Automaton,
    /// The estimated bytes of memory, the same on every node.
    bytes: u32,
}

impl Pattern {
    /// Parses a pattern: `./a//b` becomes `a/b`, `a/../b` becomes `b`, `.` becomes `./`.
    ///
    /// # Errors
    /// See [`PatternError`]. The path of every real file in the repository is valid, whatever brackets are in its name,
    /// up to [`MAX_PATTERN_BYTES`](super::MAX_PATTERN_BYTES).
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = normalise(text)?;
        let shape = match syntax::read(&text)? {
            None if text.ends_with('/') => Shape::Folder(folder_length(&text, text.len())),
            None => Shape::File,
            Some(syntax) if is_all_beneath(&text, syntax.fixed) => {
                Shape::Folder(folder_length(&text, syntax.fixed))
            }
            Some(syntax) => return Self::of_glob(&text, &syntax),
        };
        Ok(Self { text: text.into(), shape })
    }

    /// A glob with this normal form and these wildcards.
    ///
    /// # Errors
    /// [`PatternError::TooComplex`].
    pub(super) fn of_glob(text: &str, syntax: &Syntax) -> Result<Self, PatternError> {
        let glob = Glob::compile(text, syntax)?;
        Ok(Self { text: text.into(), shape: Shape::Glob(Arc::new(glob)) })
    }

    /// The file at a path in its normal form.
    pub(super) fn of_file(path: &str) -> Self {
        Self { text: path.into(), shape: Shape::File }
    }

    /// Everything beneath a path in its normal form; beneath an empty path, the whole repository.
    pub(super) fn of_folder(path: &str) -> Self {
        let text = if path.is_empty() { "./".into() } else { format!("{path}/") };
        Self { text: text.into(), shape: Shape::Folder(short(path.len())) }
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a file, a folder or a glob.
    #[must_use]
    pub fn kind(&self) -> PatternKind {
        match self.shape {
            Shape::File => PatternKind::File,
            Shape::Folder(_) => PatternKind::Folder,
            Shape::Glob(_) => PatternKind::Glob,
        }
    }

    /// Whether it has a real wildcard, which a limit counts. Brackets alone are none: real files are called
    /// `app/[id]/page.tsx`, and a project may have thousands of them.
    #[must_use]
    pub fn is_wild(&self) -> bool {
        self.kind() == PatternKind::Glob && has_wildcard(&self.text)
    }

    /// The estimated bytes of memory of a glob's automaton; 0 for a file or a folder. An everyday glob takes less than
    /// 1 KB, the largest some 60 KB.
    #[must_use]
    pub fn automaton_bytes(&self) -> u64 {
        match &self.shape {
            Shape::File | Shape::Folder(_) => 0,
            Shape::Glob(glob) => u64::from(glob.bytes),
        }
    }

    /// The path that the pattern is anchored at: a file or folder itself, or the folder that contains everything a glob
    /// can match. It is empty for the whole repository.
    pub(super) fn anchor(&self) -> &str {
        match &self.shape {
            Shape::File => &self.text,
            Shape::Folder(length) => &self.text[..usize::from(*length)],
            Shape::Glob(_) => {
                let fixed = self.fixed();
                &fixed[..fixed.rfind('/').unwrap_or(0)]
            }
        }
    }

    /// The text that every matching path begins with.
    pub(super) fn fixed(&self) -> &str {
        match &self.shape {
            Shape::File => &self.text,
            Shape::Folder(0) => "",
            Shape::Folder(length) => &self.text[..=usize::from(*length)],
            Shape::Glob(glob) => &self.text[..usize::from(glob.fixed)],
        }
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// A pattern that only serves as the start of a range scan, with an unchecked text.
    pub(crate) fn scan_start(text: &str) -> Self {
        Self { text: text.into(), shape: Shape::File }
    }
}

impl Glob {
    fn compile(text: &str, syntax: &Syntax) -> Result<Self, PatternError> {
        let automaton = compile(&text[..syntax.fixed], &syntax.pieces)?;
        check_ways(text, &automaton)?;
        let tail = &text[text.len() - syntax.tail..];
        // Where braces may have read nothing, a leading `/` or `./` of the tail is no part of the
        // path. A tail of `/`, or of a lone dot, can be the mark of a folder.
        let is_dot = tail == "." || tail.starts_with("./");
        let tail = if is_dot { &tail[1..] } else { tail };
        let tail = tail.strip_prefix('/').unwrap_or(tail);
        let tail = if tail.ends_with('/') { "" } else { tail };
        let needle: Box<str> = needle(&syntax.pieces).into();
        let bytes = GLOB_BYTES + automaton.bytes();
        let bytes = u32::try_from(bytes).expect("an automaton has at most MAX_STATES and MAX_EDGES");
        Ok(Self { fixed: short(syntax.fixed), tail: short(tail.len()), needle, automaton, bytes })
    }
}

/// The longest run of characters before the last wildcard that every matching path contains. A `.` or a `/` may read
/// nothing, if it is part of a `./`.
fn needle(pieces: &[Piece]) -> String {
    let is_wild = |piece: &Piece| !matches!(piece, Piece::Char(_));
    let before_tail = &pieces[..pieces.iter().rposition(is_wild).unwrap_or(0)];
    let runs = before_tail.split(|piece| match piece {
        Piece::Char(c) => matches!(c, '.' | '/'),
        _ => true,
    });
    let text = |run: &[Piece]| -> String {
        let chars = run.iter().filter_map(|piece| match piece {
            Piece::Char(c) => Some(*c),
            _ => None,
        });
        chars.collect()
    };
    runs.map(text).max_by_key(String::len).unwrap_or_default()
}

/// Refuses a pattern whose comparison with itself exceeds the limit of one pair.
fn check_ways(text: &str, automaton: &Automaton) -> Result<(), PatternError> {
    if !has_wildcard(text) || automaton.edges.len() <= EDGES_OF_SIMPLE {
        return Ok(());
    }
    let mut work = WorkBudget::of(MAX_STEPS_OF_PAIR / 2);
    meet_itself(automaton, &mut work).map_err(|OutOfBudget| PatternError::TooComplex(Complexity::Ways))
}

/// Whether there is a wildcard or a negated class. Other brackets are none, since real files are called
/// `app/[id]/page.tsx`.
fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '{']) || text.contains("[!") || text.contains("[^")
}

/// Whether the part from `fixed` on means "everything beneath": `**`, `**/` or `**/*`.
fn is_all_beneath(text: &str, fixed: usize) -> bool {
    let is_whole_component = fixed == 0 || text[..fixed].ends_with('/');
    let rest = &text[fixed..];
    let rest =
        rest.strip_suffix('/').or(rest.strip_suffix("**/*").map(|_| &rest[..rest.len() - 2])).unwrap_or(rest);
    is_whole_component && rest.split('/').all(|component| component == "**")
}

/// The length of the folder path in the first `fixed` bytes of a normal form, which end in `/`.
fn folder_length(text: &str, fixed: usize) -> u16 {
    if text == "./" { 0 } else { short(fixed.saturating_sub(1)) }
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("a pattern is at most MAX_PATTERN_BYTES long")
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl AsRef<str> for Pattern {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl hash::Hash for Pattern {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}
