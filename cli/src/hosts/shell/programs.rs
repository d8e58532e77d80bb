//! The writes of the usual programs, by the rows of [`super::table`]: which of their words are files, and which options
//! keep them from writing. Programs that no row can describe are in [`super::special`] and its neighbours.

use super::{
    row::{Effect, Operands},
    state::Shell,
    table::ROWS,
    target::EVERYTHING,
    value::Value,
};

/// Whether the program has a row.
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
    // `sed -i '' …`: an empty suffix is no file.
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

/// Notes what a program changes that goes into folders and expands patterns itself.
fn changed_below(shell: &mut Shell, file: &Value, endings: &[&str]) {
    // `!PATTERN` excludes files.
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

/// A program's pattern as a pattern of the cluster, or as a wider one: `{a,b}` becomes `*`.
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
