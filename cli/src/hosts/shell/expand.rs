//! Expands a word of the tree to the values that it may stand for: by braces, variables, command substitutions and
//! globs. It runs nothing. Commands within a word are walked through, since they write files, too.

use super::{
    glob as files, parameter,
    scope::MAX_VALUES,
    state::Shell,
    value::{Part, Value},
};
use shuck_ast::{HeredocBody, HeredocBodyPart, Word, WordPart, WordPartNode};

/// Words that the braces of one word may expand to. A list of file names is shorter.
const MAX_BRACES: usize = 32;

/// A part of a word, as braces and globs need it.
#[derive(Clone, Copy)]
pub(super) enum Atom<'a> {
    /// A character that may have a meaning to the shell.
    Bare(char),
    /// A quoted character, which stands for itself.
    Quoted(char),
    /// An expansion of a variable, a command or arithmetic.
    Expansion(&'a WordPart),
}

impl Shell {
    /// The words that a word expands to, with every value that each of them may have.
    pub(super) fn fields(&mut self, word: &Word, source: &str) -> Vec<Value> {
        let values = self.values(word, source);
        let is_bare_expansion = matches!(word.parts.as_slice(), [only] if !only.kind.is_quoted()
            && !matches!(only.kind, WordPart::Literal(_)));
        let values: Vec<Value> =
            if is_bare_expansion { values.iter().flat_map(Value::split).collect() } else { values };
        values.into_iter().flat_map(|value| self.found(value)).collect()
    }

    /// The values that a word may have as a whole, as the target of a redirection or an assignment.
    pub(super) fn values(&mut self, word: &Word, source: &str) -> Vec<Value> {
        let mut atoms = Vec::new();
        atoms_of(&word.parts, source, false, &mut atoms);
        if !self.budget.letters(atoms.len()) {
            return Vec::new();
        }
        let mut all = Vec::new();
        let Some(spread) = self.braces(atoms) else { return Vec::new() };
        for atoms in spread {
            all.extend(self.evaluated(&atoms, source));
        }
        all
    }

    /// The text of a here-document.
    pub(super) fn document(&mut self, body: &HeredocBody, source: &str) -> Value {
        if !body.mode.expands() {
            return Value::text(body.render(source));
        }
        let mut value = Value::default();
        for part in &body.parts {
            match &part.kind {
                HeredocBodyPart::Literal(text) => value.push_text(text.as_str(source, part.span)),
                HeredocBodyPart::Variable(name) => self.push_first(&mut value, name.as_str()),
                HeredocBodyPart::CommandSubstitution { body, .. } => {
                    let printed = self.substituted(body, source);
                    value.extend(&printed.into_iter().next().unwrap_or_else(Value::any));
                }
                HeredocBodyPart::Parameter(expansion) => {
                    let values = parameter::of_expansion(self, expansion, source);
                    value.extend(&values.into_iter().next().unwrap_or_else(Value::any));
                }
                HeredocBodyPart::ArithmeticExpansion { expression_word_ast, .. } => {
                    self.walk_inside(expression_word_ast, source);
                    value.push_any();
                }
            }
        }
        if self.budget.letters(value.len()) { value } else { Value::any() }
    }

    fn push_first(&self, value: &mut Value, name: &str) {
        match parameter::named(self, name).first() {
            Some(first) => value.extend(first),
            None => value.push_any(),
        }
    }

    /// Walks through the commands within a word whose value is not needed.
    pub(super) fn walk_inside(&mut self, word: &Word, source: &str) {
        self.walk_parts(&word.parts, source);
    }

    fn walk_parts(&mut self, parts: &[WordPartNode], source: &str) {
        for part in parts {
            match &part.kind {
                WordPart::Literal(_) | WordPart::SingleQuoted { .. } | WordPart::Variable(_) => {}
                WordPart::DoubleQuoted { parts, .. } => self.walk_parts(parts, source),
                // Their output is not needed.
                WordPart::CommandSubstitution { body, .. } => self.subshell(body, source),
                other => drop(self.part(other, source)),
            }
        }
    }

    /// The values of an expansion.
    pub(super) fn part(&mut self, part: &WordPart, source: &str) -> Vec<Value> {
        match part {
            WordPart::Variable(name) => parameter::named(self, name.as_str()),
            WordPart::CommandSubstitution { body, .. } => self.substituted(body, source),
            WordPart::ProcessSubstitution { body, is_input } => {
                vec![self.descriptor(body, *is_input, source)]
            }
            WordPart::ArithmeticExpansion { expression_word_ast, .. } => {
                self.walk_inside(expression_word_ast, source);
                vec![Value::any()]
            }
            other => parameter::of_part(self, other, source),
        }
    }

    fn evaluated(&mut self, atoms: &[Atom<'_>], source: &str) -> Vec<Value> {
        let mut drafts = vec![Value::default()];
        let mut at = 0;
        if let [Atom::Bare('~'), rest @ ..] = atoms {
            let end = rest.iter().position(|atom| matches!(atom, Atom::Bare('/'))).unwrap_or(rest.len());
            let home = match (end, rest) {
                (0, _) => Some(parameter::named(self, "HOME")),
                (1, [Atom::Bare('+'), ..]) => Some(parameter::named(self, "PWD")),
                (1, [Atom::Bare('-'), ..]) => Some(parameter::named(self, "OLDPWD")),
                _ => None,
            };
            if let Some(home) = home {
                drafts = home;
                at = end + 1;
            }
        }
        while let Some(atom) = atoms.get(at) {
            at += 1;
            match *atom {
                Atom::Quoted(letter) => push(&mut drafts, letter),
                Atom::Bare('*' | '?' | '[') => {
                    let (glob, length) = wildcard(&atoms[at - 1..]);
                    match glob {
                        Some(glob) => drafts.iter_mut().for_each(|draft| draft.push_glob(&glob)),
                        None => push(&mut drafts, '['),
                    }
                    at += length - 1;
                }
                Atom::Bare(letter) => push(&mut drafts, letter),
                Atom::Expansion(part) => {
                    let values = self.part(part, source);
                    if !self.multiplied(&mut drafts, &values) {
                        return Vec::new();
                    }
                }
            }
        }
        drafts
    }

    /// Combines each draft with each value. Returns whether the result stays within the bounds.
    fn multiplied(&mut self, drafts: &mut Vec<Value>, values: &[Value]) -> bool {
        let letters = drafts.iter().map(Value::len).sum::<usize>() * values.len().max(1)
            + values.iter().map(Value::len).sum::<usize>() * drafts.len();
        if drafts.len() * values.len() > MAX_VALUES || !self.budget.letters(letters) {
            self.budget.end();
            return false;
        }
        let both = |draft: &Value, value: &Value| {
            let mut draft = draft.clone();
            draft.extend(value);
            draft
        };
        *drafts = drafts.iter().flat_map(|draft| values.iter().map(|value| both(draft, value))).collect();
        true
    }

    /// The files that a glob finds, if the folder is known. A glob that finds none stays as it is.
    fn found(&mut self, value: Value) -> Vec<Value> {
        let Some(folder) = self.scope.folder().filter(|_| value.has_glob() && !value.has_any()).cloned()
        else {
            return vec![value];
        };
        let found = files::found(&value.as_glob(), &folder, &mut self.budget);
        let is_wild =
            value.parts.iter().any(|part| matches!(part, Part::Glob(glob) if !glob.starts_with('[')));
        match (found.is_empty(), is_wild) {
            // There is a file of that very name, most likely one with brackets.
            (true, false) => vec![Value::text(value.written())],
            (true, true) => vec![Value { is_unfound: true, ..Value::text(value.written()) }],
            _ => found.into_iter().map(Value::text).collect(),
        }
    }

    /// Expands `a{b,c}d` to `abd` and `acd`; `None` if these are too many.
    fn braces<'a>(&mut self, atoms: Vec<Atom<'a>>) -> Option<Vec<Vec<Atom<'a>>>> {
        let open = atoms.iter().filter(|atom| matches!(atom, Atom::Bare('{'))).count();
        let is_list = open > 0 && atoms.iter().any(|atom| matches!(atom, Atom::Bare(',' | '.')));
        if !is_list {
            return Some(vec![atoms]);
        }
        let mut spread = Vec::new();
        let mut left = vec![(Vec::new(), atoms)];
        while let Some((mut done, rest)) = left.pop() {
            let is_too_much = spread.len() + left.len() > MAX_VALUES || open > MAX_BRACES;
            if is_too_much || !self.budget.letters(done.len() + rest.len()) {
                self.budget.end();
                return None;
            }
            let group = (0..rest.len()).find_map(|at| Some((at, group(&rest[at..])?)));
            let Some((at, (parts, end))) = group else {
                done.extend(rest);
                spread.push(done);
                continue;
            };
            done.extend_from_slice(&rest[..at]);
            for part in parts.into_iter().rev() {
                let after = part.into_iter().chain(rest[at + end..].iter().copied()).collect();
                left.push((done.clone(), after));
            }
        }
        Some(spread)
    }
}

fn push(drafts: &mut [Value], letter: char) {
    let mut buffer = [0; 4];
    drafts.iter_mut().for_each(|draft| draft.push_text(letter.encode_utf8(&mut buffer)));
}

fn atoms_of<'a>(parts: &'a [WordPartNode], source: &'a str, is_quoted: bool, atoms: &mut Vec<Atom<'a>>) {
    for part in parts {
        match &part.kind {
            WordPart::Literal(text) if is_quoted => {
                atoms.extend(text.as_str(source, part.span).chars().map(Atom::Quoted));
            }
            WordPart::Literal(text) => {
                // Outside of quotes a backslash is still there.
                let mut letters = text.as_str(source, part.span).chars();
                while let Some(letter) = letters.next() {
                    match letter {
                        '\\' => match letters.next() {
                            Some('\n') | None => {}
                            Some(letter) => atoms.push(Atom::Quoted(letter)),
                        },
                        letter => atoms.push(Atom::Bare(letter)),
                    }
                }
            }
            WordPart::SingleQuoted { value, .. } => {
                atoms.extend(value.slice(source).chars().map(Atom::Quoted));
            }
            WordPart::DoubleQuoted { parts, .. } => atoms_of(parts, source, true, atoms),
            other => atoms.push(Atom::Expansion(other)),
        }
    }
}

/// The wildcard that this begins with, and its length.
fn wildcard(atoms: &[Atom<'_>]) -> (Option<String>, usize) {
    match atoms.first() {
        Some(Atom::Bare('[')) => {
            let letter = |atom: &Atom<'_>| match *atom {
                Atom::Bare(letter) | Atom::Quoted(letter) => letter,
                Atom::Expansion(_) => '?',
            };
            let is_end = |(at, atom): (usize, &Atom<'_>)| at > 1 && matches!(atom, Atom::Bare(']'));
            let length = atoms.iter().take_while(|atom| letter(atom) != '/').enumerate().position(is_end);
            match length {
                Some(last) => (Some(atoms[..=last].iter().map(letter).collect()), last + 1),
                None => (None, 1),
            }
        }
        Some(Atom::Bare(letter)) => (Some(letter.to_string()), 1),
        _ => (None, 1),
    }
}

/// The parts of a `{…,…}` or `{1..3}` that this begins with, and its length.
fn group<'a>(atoms: &[Atom<'a>]) -> Option<(Vec<Vec<Atom<'a>>>, usize)> {
    if !matches!(atoms.first(), Some(Atom::Bare('{'))) {
        return None;
    }
    let mut depth = 0;
    let mut parts = Vec::new();
    let mut from = 1;
    for (at, atom) in atoms.iter().enumerate() {
        match atom {
            Atom::Bare('{') => depth += 1,
            Atom::Bare('}') if depth == 1 => {
                parts.push(atoms[from..at].to_vec());
                let parts = if parts.len() > 1 { parts } else { sequence(&parts[0])? };
                return Some((parts, at + 1));
            }
            Atom::Bare('}') => depth -= 1,
            Atom::Bare(',') if depth == 1 => {
                parts.push(atoms[from..at].to_vec());
                from = at + 1;
            }
            _ => {}
        }
    }
    None
}

/// The members of `1..3` or `a..c`.
fn sequence<'a>(atoms: &[Atom<'a>]) -> Option<Vec<Vec<Atom<'a>>>> {
    let bare = |atom: &Atom<'_>| if let Atom::Bare(letter) = atom { Some(*letter) } else { None };
    let text: String = atoms.iter().map(bare).collect::<Option<_>>()?;
    let (first, last) = text.split_once("..")?;
    let member = |text: String| text.chars().map(Atom::Bare).collect::<Vec<_>>();
    if let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) {
        let (low, high) = (first.min(last), first.max(last));
        let number = usize::try_from(high.checked_sub(low)?).ok()?;
        return (number < MAX_VALUES).then(|| (low..=high).map(|one| member(one.to_string())).collect());
    }
    let letter =
        |text: &str| text.chars().next().filter(|letter| text.len() == 1 && letter.is_ascii_alphabetic());
    let (first, last) = (letter(first)?, letter(last)?);
    Some((first.min(last)..=first.max(last)).map(|one| member(one.to_string())).collect())
}
