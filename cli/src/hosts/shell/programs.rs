//! What the usual programs write, by the rows of [`super::table`]: which of their words are files, and which options keep
//! them from writing. What cannot be said in a row is in [`super::special`] and its neighbours.

use super::{
    options::{Parsed, Spec},
    table::ROWS,
    target::EVERYTHING,
    value::Value,
    walk::Shell,
};

/// Which of the words that are no options are files that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    None,
    All,
    First,
    /// All but the first, which is something else.
    AfterFirst,
    Second,
    Last,
}

/// What becomes of these files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// They are written, and made where they are missing.
    Written,
    /// They are changed or removed: they have to be there.
    Changed,
    /// The same of words of which some may be no files: none that is not there is taken.
    ChangedIfThere,
    /// They are changed, and of a folder all files in it with one of these endings; without any, all.
    ChangedBelow(&'static [&'static str]),
}

/// A row: programs, their options, and what they write.
pub(super) struct Row {
    pub(super) names: &'static [&'static str],
    pub(super) spec: Spec,
    /// Words of which one stands first; others are not what the row is about.
    verbs: &'static [&'static str],
    /// Words of which one may stand first.
    words: &'static [&'static str],
    /// Options without any of which they write none of their operands.
    needs: &'static [&'static str],
    /// Options with any of which they only read their operands.
    unless: &'static [&'static str],
    operands: Operands,
    effect: Effect,
    /// Options of which one takes the place of the first operand.
    instead_of_first: &'static [&'static str],
    /// Options whose value is a file that is written.
    outputs: &'static [&'static str],
    /// Whether words that begin with `+` are commands, as those of editors.
    has_commands: bool,
}

pub(super) const fn row(
    names: &'static [&'static str],
    short: &'static str,
    long: &'static [&'static str],
) -> Row {
    Row {
        names,
        spec: Spec { short, long },
        verbs: &[],
        words: &[],
        needs: &[],
        unless: &[],
        operands: Operands::None,
        effect: Effect::Written,
        instead_of_first: &[],
        outputs: &[],
        has_commands: false,
    }
}

impl Row {
    pub(super) const fn writes(mut self, operands: Operands) -> Self {
        self.operands = operands;
        self
    }

    pub(super) const fn changes(mut self, operands: Operands) -> Self {
        self.operands = operands;
        self.effect = Effect::Changed;
        self
    }

    pub(super) const fn changes_if_there(mut self, operands: Operands) -> Self {
        self.operands = operands;
        self.effect = Effect::ChangedIfThere;
        self
    }

    pub(super) const fn changes_below(mut self, endings: &'static [&'static str]) -> Self {
        self.operands = Operands::All;
        self.effect = Effect::ChangedBelow(endings);
        self
    }

    pub(super) const fn verbs(mut self, verbs: &'static [&'static str]) -> Self {
        self.verbs = verbs;
        self
    }

    pub(super) const fn words(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    pub(super) const fn needs(mut self, needs: &'static [&'static str]) -> Self {
        self.needs = needs;
        self
    }

    pub(super) const fn unless(mut self, options: &'static [&'static str]) -> Self {
        self.unless = options;
        self
    }

    pub(super) const fn or_by(mut self, options: &'static [&'static str]) -> Self {
        self.instead_of_first = options;
        self
    }

    pub(super) const fn outputs(mut self, outputs: &'static [&'static str]) -> Self {
        self.outputs = outputs;
        self
    }

    pub(super) const fn with_commands(mut self) -> Self {
        self.has_commands = true;
        self
    }

    /// Whether its operands are only read.
    fn is_reading(&self, parsed: &Parsed) -> bool {
        (!self.needs.is_empty() && !parsed.has(self.needs)) || parsed.has(self.unless)
    }
}

/// Whether it has a row.
pub(super) fn is_known(name: &str) -> bool {
    ROWS.iter().any(|row| row.names.contains(&name))
}

/// Notes what a program writes by its row.
pub(super) fn run(shell: &mut Shell, name: &str, words: &[Value]) {
    let Some(row) = ROWS.iter().find(|row| row.names.contains(&name)) else { return };
    let parsed = row.spec.parse(words);
    parsed.values(row.outputs).for_each(|file| shell.write(file));
    if row.is_reading(&parsed) {
        return;
    }
    // `sed -i '' …`: an empty ending on its own is no file.
    let is_file = |(_, operand): &(usize, &Value)| {
        operand.known() != Some("") && !(row.has_commands && operand.head().starts_with('+'))
    };
    let mut operands: Vec<(usize, &Value)> = parsed.operands.iter().enumerate().filter(is_file).collect();
    let is_first = |list: &[&str]| {
        operands.first().and_then(|(_, word)| word.known()).is_some_and(|word| list.contains(&word))
    };
    let is_verb = is_first(row.verbs);
    if !row.verbs.is_empty() && !is_verb {
        return;
    }
    let is_first_else = row.operands == Operands::AfterFirst && !parsed.has(row.instead_of_first);
    if is_verb || is_first(row.words) {
        operands.remove(0);
    }
    if is_first_else && !operands.is_empty() {
        operands.remove(0);
    }
    let written: Vec<(usize, &Value)> = match row.operands {
        Operands::None => Vec::new(),
        Operands::All | Operands::AfterFirst => operands,
        Operands::First => operands.into_iter().take(1).collect(),
        Operands::Second => operands.into_iter().skip(1).take(1).collect(),
        Operands::Last => operands.into_iter().last().into_iter().collect(),
    };
    for (at, file) in written {
        let is_there = || file.known().and_then(|path| shell.resolve(path)).is_some_and(|path| path.exists());
        let is_doubtful = parsed.is_doubtful(at) || row.effect == Effect::ChangedIfThere;
        if is_doubtful && file.known().is_some() && !is_there() {
            // It may be the value of the option before it.
            shell.suspect(file);
            continue;
        }
        match row.effect {
            Effect::Written => shell.write(file),
            Effect::Changed | Effect::ChangedIfThere => shell.change(file),
            Effect::ChangedBelow(endings) => changed_below(shell, file, endings),
        }
    }
}

/// What a program changes that goes into folders, and takes patterns by itself.
fn changed_below(shell: &mut Shell, file: &Value, endings: &[&str]) {
    // `!PATTERN`: files that are left out.
    if file.head().starts_with('!') {
        return;
    }
    if let Some(pattern) = file.known().filter(|text| text.contains('*')).map(globbed) {
        return shell.change_below(&Value::text("."), &pattern);
    }
    if !shell.is_folder(file) {
        return shell.change(file);
    }
    if endings.is_empty() {
        shell.change_below(file, EVERYTHING);
    }
    endings.iter().for_each(|ending| shell.change_below(file, &format!("**/*.{ending}")));
}

/// A pattern of a program's as one of the cluster's, or a wider one: `{a,b}` is any text.
fn globbed(pattern: &str) -> String {
    let mut whole = String::new();
    let mut depth = 0_usize;
    for letter in pattern.trim_start_matches("./").chars() {
        match letter {
            '{' => {
                depth += 1;
                if !whole.ends_with('*') {
                    whole.push('*');
                }
            }
            '}' => depth = depth.saturating_sub(1),
            letter if depth == 0 => whole.push(letter),
            _ => {}
        }
    }
    whole
}
