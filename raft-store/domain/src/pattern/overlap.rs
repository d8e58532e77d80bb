//! The two questions that the rules ask of patterns: does it match a path, and can two of them
//! collide. Never misses a collision; a needless one is possible only where a pair of globs is
//! too much work to settle.

use super::{
    Pattern,
    automaton::Automaton,
    compile,
    parse::Shape,
    product::{Meeting, Walker, meet},
};

impl Pattern {
    /// Whether it matches `path`, a normalised path of a file. At most a few microseconds for
    /// everyday globs, never worse than path length times states.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        path.ends_with(self.tail())
            && path.strip_prefix(self.fixed()).is_some_and(|rest| self.automaton().matches(rest))
    }

    /// Whether the two can collide: some path matches both, or one is a file where the other
    /// needs a folder. Nanoseconds for files and folders, about a microsecond for globs, and
    /// about a millisecond for the worst pair, which then counts as a collision.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_file_above_other = || self.is_file_above(other) || other.is_file_above(self);
        match (self.shape(), other.shape()) {
            (Shape::File | Shape::Folder(_), Shape::File | Shape::Folder(_)) => {
                is_lineage(self.anchor(), other.anchor())
            }
            (Shape::File, Shape::Glob(_)) => other.matches(self.as_str()) || is_file_above_other(),
            (Shape::Glob(_), Shape::File) => self.matches(other.as_str()) || is_file_above_other(),
            _ => is_file_above_other() || self.meet(other) != Meeting::Apart,
        }
    }

    /// An example of a path that both could touch, to show to a person: one that both match, or
    /// the file where the other needs a folder. `None` when they do not overlap, or when the pair
    /// was too much work to find one.
    #[must_use]
    pub fn common_path(&self, other: &Self) -> Option<String> {
        let (shorter, longer) = self.by_fixed_length(other);
        match self.meet(other) {
            Meeting::At(rest) => Some(format!("{}{rest}", longer.fixed())),
            _ if shorter.is_file_above(longer) => Some(shorter.as_str().to_owned()),
            _ if longer.is_file_above(shorter) => Some(longer.as_str().to_owned()),
            _ => None,
        }
    }

    /// Walks both from where the longer fixed prefix ends.
    fn meet(&self, other: &Self) -> Meeting {
        let (shorter, longer) = self.by_fixed_length(other);
        let Some(ahead) = longer.fixed().strip_prefix(shorter.fixed()) else {
            return Meeting::Apart;
        };
        if !self.tail().ends_with(other.tail()) && !other.tail().ends_with(self.tail()) {
            return Meeting::Apart;
        }
        let caught_up = shorter.automaton().advance(ahead);
        meet(
            longer.fixed(),
            Walker { automaton: shorter.automaton(), at: &caught_up },
            Walker { automaton: longer.automaton(), at: longer.automaton().start() },
        )
    }

    /// Whether it may be the name of one file, and the other's fixed text lies beneath that name.
    /// For this question brackets and braces count as text: they are in names that are files too.
    fn is_file_above(&self, other: &Self) -> bool {
        let (name, other) = (self.as_str(), other.as_str());
        // The one byte first: it spares nearly every pair the rest.
        other.as_bytes().get(name.len()) == Some(&b'/')
            && other.starts_with(name)
            && !name.contains(['*', '?'])
    }

    fn by_fixed_length<'p>(&'p self, other: &'p Self) -> (&'p Self, &'p Self) {
        if self.fixed().len() <= other.fixed().len() { (self, other) } else { (other, self) }
    }

    /// What every matching path ends with.
    fn tail(&self) -> &str {
        match self.shape() {
            Shape::File => self.as_str(),
            Shape::Folder(_) => "",
            Shape::Glob(glob) => {
                let text = self.as_str();
                &text[text.len() - usize::from(glob.tail)..]
            }
        }
    }

    fn automaton(&self) -> &Automaton {
        match self.shape() {
            Shape::File => compile::nothing(),
            Shape::Folder(_) => compile::anything(),
            Shape::Glob(glob) => &glob.automaton,
        }
    }
}

/// Whether one path is the other, or lies beneath it.
fn is_lineage(one: &str, other: &str) -> bool {
    let (above, below) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    match below.strip_prefix(above) {
        Some(rest) => above.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}
