//! Whether a pattern matches a path, and whether two patterns can collide. No collision is missed; a false one is
//! possible only if a pair of globs takes too much work to decide.

use super::{
    Pattern,
    automaton::Automaton,
    compile,
    limits::MAX_STEPS_OF_PAIR,
    parse::Shape,
    product::{Walker, meet},
};
use crate::work::{OutOfBudget, WorkBudget};

/// Steps of comparing any two patterns.
const LOOK: usize = 10;
/// Steps of searching a text in a path, and bytes of the path for one more step.
const FIND: usize = 10;
const BYTES_FOUND_PER_STEP: usize = 4;
/// Steps of beginning to read a path, or to walk two automata, which allocates memory.
const WALK: usize = 60;
/// Bytes that are compared in one step.
const BYTES_PER_STEP: usize = 16;

/// Whether two patterns can collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collision {
    /// The two cannot collide.
    Impossible,
    /// A path matches both, or one names a file where the other needs a folder.
    Certain,
    /// Deciding takes more steps than one pair may take. It counts as a collision.
    Assumed,
}

impl Pattern {
    /// Whether the pattern matches `path`, a normalised path of a file. It takes at most a few microseconds for
    /// everyday globs, and never more than path length times edges.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.matches_within(path, &mut WorkBudget::unlimited()).expect("an unlimited budget does not end")
    }

    /// Whether the two can collide, or are assumed to.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let collision = self.collision(other, &mut WorkBudget::unlimited());
        collision.expect("an unlimited budget does not end") != Collision::Impossible
    }

    /// Whether the two can collide. It takes nanoseconds for files and folders, about a microsecond for globs, and some
    /// hundreds of microseconds for the worst pair, which then counts as a collision.
    ///
    /// # Errors
    /// If the budget is used up before.
    pub fn collision(&self, other: &Self, work: &mut WorkBudget) -> Result<Collision, OutOfBudget> {
        work.charge(LOOK + self.fixed().len().min(other.fixed().len()) / BYTES_PER_STEP)?;
        if self.is_file_above(other) || other.is_file_above(self) {
            return Ok(Collision::Certain);
        }
        let mut pair = work.at_most(MAX_STEPS_OF_PAIR);
        let settled = match (self.shape(), other.shape()) {
            (Shape::File | Shape::Folder(_), Shape::File | Shape::Folder(_)) => {
                Ok(is_lineage(self.anchor(), other.anchor()))
            }
            (Shape::File, Shape::Glob(_)) => other.matches_within(self.as_str(), &mut pair),
            (Shape::Glob(_), Shape::File) => self.matches_within(other.as_str(), &mut pair),
            _ => self.meet(other, &mut pair).map(|path| path.is_some()),
        };
        let is_end_of_all = settled.is_err() && work.is_exhausted_by(&pair);
        work.charge(pair.used())?;
        match settled {
            Ok(true) => Ok(Collision::Certain),
            Ok(false) => Ok(Collision::Impossible),
            Err(OutOfBudget) if is_end_of_all => Err(OutOfBudget),
            Err(OutOfBudget) => Ok(Collision::Assumed),
        }
    }

    /// An example of a path that both could touch, for people: a path that both match, or the file where the other
    /// needs a folder. `None` if they do not overlap, or if finding one takes too much work.
    #[must_use]
    pub fn common_path(&self, other: &Self) -> Option<String> {
        let (shorter, longer) = self.by_fixed_length(other);
        match self.meet(other, &mut WorkBudget::of(MAX_STEPS_OF_PAIR)) {
            Ok(Some(path)) => Some(path),
            _ if shorter.is_file_above(longer) => Some(shorter.as_str().to_owned()),
            _ if longer.is_file_above(shorter) => Some(longer.as_str().to_owned()),
            _ => None,
        }
    }

    fn matches_within(&self, path: &str, work: &mut WorkBudget) -> Result<bool, OutOfBudget> {
        let Some(rest) = path.strip_prefix(self.fixed()) else { return Ok(false) };
        if !path.ends_with(self.tail()) {
            return Ok(false);
        }
        if let Shape::Glob(glob) = self.shape() {
            work.charge(FIND + rest.len() / BYTES_FOUND_PER_STEP)?;
            if !rest.contains(&*glob.needle) {
                return Ok(false);
            }
        }
        work.charge(WALK)?;
        self.automaton().matches(rest, work)
    }

    /// A path that both match. The walk begins behind the longer fixed prefix.
    fn meet(&self, other: &Self, work: &mut WorkBudget) -> Result<Option<String>, OutOfBudget> {
        let (shorter, longer) = self.by_fixed_length(other);
        let Some(ahead) = longer.fixed().strip_prefix(shorter.fixed()) else {
            return Ok(None);
        };
        if !self.tail().ends_with(other.tail()) && !other.tail().ends_with(self.tail()) {
            return Ok(None);
        }
        work.charge(2 * WALK)?;
        let mut caught_up = shorter.automaton().advance(ahead, work)?;
        shorter.automaton().sort(&mut caught_up);
        let rest = meet(
            longer.fixed(),
            Walker { automaton: shorter.automaton(), at: &caught_up },
            Walker { automaton: longer.automaton(), at: longer.automaton().start() },
            work,
        )?;
        Ok(rest.map(|rest| format!("{}{rest}", longer.fixed())))
    }

    /// Whether this pattern may be the name of one file, with the other's fixed text beneath that name. Brackets and
    /// braces count as text here, since names of files contain them.
    fn is_file_above(&self, other: &Self) -> bool {
        let (name, other) = (self.as_str(), other.as_str());
        // One byte is compared first: it decides nearly every pair.
        other.as_bytes().get(name.len()) == Some(&b'/')
            && other.starts_with(name)
            && !name.contains(['*', '?'])
    }

    fn by_fixed_length<'p>(&'p self, other: &'p Self) -> (&'p Self, &'p Self) {
        if self.fixed().len() <= other.fixed().len() { (self, other) } else { (other, self) }
    }

    /// The text that every matching path ends with.
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

/// Whether one path equals the other, or lies beneath it.
fn is_lineage(one: &str, other: &str) -> bool {
    let (above, below) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    match below.strip_prefix(above) {
        Some(rest) => above.is_empty() || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}
