//! Compiles a glob to its automaton. It has no empty moves: everything that reads nothing (the zero length of a `*`,
//! the end of an alternative, a `./`) is resolved here, once.

use super::{
    Complexity, PatternError,
    automaton::{ACCEPT, Automaton, Edges, Label, State},
    charset::CharSet,
    limits::MAX_STARS,
    syntax::Piece,
};
use std::sync::LazyLock;

/// The most states of one automaton: enough for the longest name in brackets, or in braces, whose text counts once more
/// for each level. With 12 bytes for a state and 2 for an edge, the largest takes 40 KiB, and an everyday one less than
/// 1 KiB.
const MAX_STATES: usize = 2_100;

/// The most edges of one automaton: far more than a list of alternatives needs, unless each is optional and followed by
/// the next one.
const MAX_EDGES: usize = 8_192;

/// The most instructions that are followed while empty moves are resolved, which bounds the time of parsing a pattern.
/// A list of a hundred names needs some hundreds.
const MAX_RESOLVED: usize = 65_536;

/// Compiles the part behind `fixed`, the text before the first wildcard.
///
/// # Errors
/// `TooComplex` beyond [`MAX_STATES`], [`MAX_EDGES`], [`MAX_RESOLVED`] or [`MAX_STARS`]; `ParentOfWildcard` when an
/// alternative holds a `..` component.
pub(super) fn compile(fixed: &str, pieces: &[Piece]) -> Result<Automaton, PatternError> {
    let start = match fixed.chars().next_back() {
        None => Mode::Nowhere,
        Some('/') => Mode::Start,
        Some(_) => Mode::Inside,
    };
    let mut compiler = Compiler::default();
    compiler.emit(pieces)?;
    compiler.program.extend([Node::End, Node::Rest]);
    compiler.run(0, start)
}

/// The automaton of a file's remainder, which is empty.
pub(super) fn nothing() -> &'static Automaton {
    static NOTHING: LazyLock<Automaton> = LazyLock::new(|| fixed_automaton(Mode::Inside));
    &NOTHING
}

/// The automaton of a folder's remainder, which is any path.
pub(super) fn anything() -> &'static Automaton {
    static ANYTHING: LazyLock<Automaton> = LazyLock::new(|| fixed_automaton(Mode::Start));
    &ANYTHING
}

fn fixed_automaton(start: Mode) -> Automaton {
    let compiler = Compiler { program: vec![Node::End, Node::Rest], ..Compiler::default() };
    compiler.run(0, start).expect("two nodes are within every limit")
}

/// One instruction of the pattern, before its empty moves are resolved.
enum Node {
    Read(Label),
    /// `*`, which reads no `/`.
    Star,
    /// `**`, which reads everything.
    Any,
    Split(Vec<usize>),
    Jump(usize),
    End,
    /// Any path, after [`Node::End`] of a pattern that ends with `/`. It is the last node of the program.
    Rest,
}

/// The position of the reader in a path component, which decides what may read nothing. The text of an alternative is
/// normalised only here, where its context is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing was read yet. An end here would be the empty pattern, which is invalid.
    Nowhere,
    /// A component starts here. `/` and `./` read nothing, and the end means "everything beneath".
    Start,
    /// A component starts here, after a `**`, which has begun it, so that a `.` is just a dot.
    Crossed,
    /// A `*` has read nothing. There is no component until something is read.
    Begun,
    /// The component is `.` so far, and nothing was read for it.
    Dot,
    /// The component is `..` so far, which is valid only if more follows.
    DotDot,
    /// A part of the component was read.
    Inside,
}

const MODES: usize = 7;

/// Compiles a program to an automaton, one follower set at a time.
#[derive(Default)]
struct Compiler {
    program: Vec<Node>,
    stars: usize,
    sets: Vec<CharSet>,
    states: Vec<(Label, usize)>,
    /// The states of each node: the one that reads no `/`, and the one that reads it.
    state_of: Vec<[Option<u16>; 2]>,
    /// The number of the follower set that begins at each node and mode.
    followers_of: Vec<Option<usize>>,
    followers: Vec<Edges>,
    pending: Vec<(usize, Mode, usize)>,
    edges: Vec<u16>,
    /// The number of the follower set that visited each node and mode last, plus one.
    seen: Vec<usize>,
    /// The number of instructions that were followed.
    resolved: usize,
}

impl Compiler {
    fn emit(&mut self, pieces: &[Piece]) -> Result<(), PatternError> {
        for piece in pieces {
            // A node becomes at most two states, but an alternative's jump becomes none.
            self.stars += usize::from(matches!(piece, Piece::Star | Piece::Any));
            if self.stars > MAX_STARS {
                return Err(PatternError::TooComplex(Complexity::Stars));
            }
            if self.program.len() > 2 * MAX_STATES {
                return Err(PatternError::TooComplex(Complexity::Size));
            }
            let node = match piece {
                Piece::Char(c) => Node::Read(Label::Char(*c)),
                Piece::One => Node::Read(Label::NotSlash),
                Piece::Star => Node::Star,
                Piece::Any => Node::Any,
                Piece::Set(set) => {
                    self.sets.push(set.clone());
                    Node::Read(Label::Set(index(self.sets.len() - 1)))
                }
                Piece::Choice(choices) => {
                    self.emit_choice(choices)?;
                    continue;
                }
            };
            self.program.push(node);
        }
        Ok(())
    }

    fn emit_choice(&mut self, choices: &[Vec<Piece>]) -> Result<(), PatternError> {
        let split = self.program.len();
        self.program.push(Node::Split(Vec::new()));
        let (mut starts, mut jumps) = (Vec::new(), Vec::new());
        for choice in choices {
            starts.push(self.program.len());
            self.emit(choice)?;
            jumps.push(self.program.len());
            self.program.push(Node::Jump(0));
        }
        let end = self.program.len();
        for jump in jumps {
            self.program[jump] = Node::Jump(end);
        }
        self.program[split] = Node::Split(starts);
        Ok(())
    }

    fn run(mut self, first: usize, mode: Mode) -> Result<Automaton, PatternError> {
        self.state_of = vec![[None; 2]; self.program.len()];
        self.followers_of = vec![None; self.program.len() * MODES];
        self.seen = vec![0; self.program.len() * MODES];
        // The label of ACCEPT is never used.
        self.states.push((Label::NotSlash, 0));
        self.followers.push(Edges::default());

        let start = self.followers(first, mode);
        while let Some((node, mode, set)) = self.pending.pop() {
            let from = self.edges.len();
            self.resolve(node, mode, set)?;
            if self.edges.len() > MAX_EDGES {
                return Err(PatternError::TooComplex(Complexity::Followers));
            }
            if self.states.len() > MAX_STATES {
                return Err(PatternError::TooComplex(Complexity::Size));
            }
            self.sort_edges(from);
            self.followers[set] = Edges { from: index(from), to: index(self.edges.len()) };
        }

        let finished = |(reads, then): &(Label, usize)| State { reads: *reads, then: self.followers[*then] };
        Ok(Automaton {
            states: self.states.iter().map(finished).collect(),
            edges: self.edges.into(),
            sets: self.sets.into(),
            start: self.followers[start],
        })
    }

    /// The number of the set of states that may read next at `node` in `mode`.
    fn followers(&mut self, node: usize, mode: Mode) -> usize {
        let slot = node * MODES + mode as usize;
        if let Some(set) = self.followers_of[slot] {
            return set;
        }
        let set = self.followers.len();
        self.followers.push(Edges::default());
        self.followers_of[slot] = Some(set);
        self.pending.push((node, mode, set));
        set
    }

    /// Follows every empty move from `node` in `mode`, and adds the states to a set.
    fn resolve(&mut self, node: usize, mode: Mode, set: usize) -> Result<(), PatternError> {
        let mut open = vec![(node, mode)];
        while let Some((node, mode)) = open.pop() {
            let slot = node * MODES + mode as usize;
            if self.seen[slot] == set + 1 {
                continue;
            }
            self.seen[slot] = set + 1;
            self.resolved += 1;
            if self.resolved > MAX_RESOLVED {
                return Err(PatternError::TooComplex(Complexity::Followers));
            }

            use Mode::{Begun, Crossed, Dot, DotDot, Inside, Nowhere, Start};
            let next = node + 1;
            match (&self.program[node], mode) {
                (Node::Split(starts), _) => open.extend(starts.iter().rev().map(|&to| (to, mode))),
                (Node::Jump(to), _) => open.push((*to, mode)),

                (Node::Read(Label::Char('/')) | Node::End, DotDot) => {
                    return Err(PatternError::ParentOfWildcard);
                }
                (Node::Read(Label::Char('/')), Nowhere) => open.push((next, Nowhere)),
                (Node::Read(Label::Char('/')), Start | Crossed | Dot) => open.push((next, Start)),
                (Node::Read(Label::Char('/')), Inside) => self.reach(node, true),
                (Node::Read(Label::Char('/')), Begun) => {}

                (Node::Read(Label::Char('.')), Dot) => open.push((next, DotDot)),
                (Node::Read(Label::Char('.')), Nowhere | Start) => {
                    open.push((next, Dot));
                    self.reach(node, false);
                }
                (Node::Star, Nowhere | Start | Crossed) => {
                    open.push((next, Begun));
                    self.reach(node, false);
                }
                // A `**` counts even if it reads nothing: `**` and `**/` mean everything.
                (Node::Any, Nowhere | Start | Crossed) => {
                    open.push((next, Crossed));
                    self.reach(node, false);
                }
                (Node::Star | Node::Any, Begun | Inside) => {
                    open.push((next, mode));
                    self.reach(node, false);
                    if matches!((&self.program[node], mode), (Node::Any, Inside)) {
                        self.reach(node, true);
                    }
                }
                (Node::Read(_), Nowhere | Start | Crossed | Begun | Inside) => {
                    self.reach(node, false);
                }
                (Node::Read(_) | Node::Star | Node::Any, Dot | DotDot) => {}

                (Node::End, Inside) => self.edges.push(ACCEPT),
                (Node::End, Start | Crossed | Dot) => open.push((next, Start)),
                (Node::End, Nowhere | Begun) => {}
                (Node::Rest, Inside) => {
                    self.edges.push(ACCEPT);
                    self.reach(node, false);
                    self.reach(node, true);
                }
                (Node::Rest, _) => self.reach(node, false),
            }
        }
        Ok(())
    }

    /// Sorts the edges from one on in the order of `Automaton::edges`, each once.
    fn sort_edges(&mut self, from: usize) {
        let mut set = self.edges.split_off(from);
        set.sort_unstable_by_key(|&state| (self.states[usize::from(state)].0.exact(), state));
        set.dedup();
        self.edges.append(&mut set);
    }

    /// Adds the state that reads at `node`, or, with `slash`, the one that reads a `/` there.
    fn reach(&mut self, node: usize, slash: bool) {
        if let Some(state) = self.state_of[node][usize::from(slash)] {
            self.edges.push(state);
            return;
        }
        let (reads, then) = match self.program[node] {
            Node::Read(Label::Set(set)) if self.sets[usize::from(set)].any().is_none() => return,
            Node::Read(label) if slash => (label, self.followers(node + 1, Mode::Start)),
            Node::Read(label) => (label, self.followers(node + 1, Mode::Inside)),
            _ if slash => (Label::Char('/'), self.followers(node, Mode::Start)),
            _ => (Label::NotSlash, self.followers(node, Mode::Inside)),
        };
        let state = index(self.states.len());
        self.states.push((reads, then));
        self.state_of[node][usize::from(slash)] = Some(state);
        self.edges.push(state);
    }
}

fn index(number: usize) -> u16 {
    u16::try_from(number).expect("MAX_STATES and MAX_EDGES fit, and are checked after each set")
}
