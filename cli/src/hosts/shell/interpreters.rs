//! Programs that run a text: shells, whose text is walked through, and others, whose text is only searched for names of
//! files beside words that write.

use super::{
    input::Input, languages, options::Spec, paths::program_name, sed, state::Shell, texts, value::Value,
};
use crate::confined::read_bounded;
use std::rc::Rc;

const SHELLS: [&str; 7] = ["sh", "bash", "zsh", "dash", "ksh", "ash", "mksh"];

/// Bytes of a script that are read.
const MAX_SCRIPT_BYTES: u64 = 256 << 10;

/// Whether a program, by its name or its path, is a shell.
pub(in crate::hosts) fn is_shell(program: &str) -> bool {
    SHELLS.contains(&program_name(program))
}

/// Whether the program runs a text.
pub(super) fn is_known(name: &str) -> bool {
    SHELLS.contains(&name) || name == "su" || languages::language(name).is_some()
}

/// Whether the program is a file, which may be a script for a shell.
pub(super) fn is_script(shell: &Shell, path: &str) -> bool {
    path.contains('/') && shell.resolve(path).is_some_and(|path| path.is_file())
}

/// Notes what the text writes that such a program runs.
pub(super) fn run(shell: &mut Shell, path: &str, words: &[Value]) {
    let name = program_name(path);
    if SHELLS.contains(&name) || name == "su" {
        of_shell(shell, words);
    } else if matches!(name, "sed" | "gsed") {
        sed::run(shell, words);
    } else if let Some(language) = languages::language(name) {
        let parsed = Spec { short: language.options, long: &[] }.parse_front(words);
        let mut texts: Vec<String> = parsed.values(language.inline).map(Value::written).collect();
        let mut operands = parsed.operands.iter();
        if language.inline.is_empty() {
            // The first word is the text.
            let has_file = parsed.has(&["f"]);
            texts.extend(operands.next().filter(|_| !has_file).map(Value::written));
        } else if texts.is_empty()
            && operands.next().is_none_or(|file| file.known() == Some("-"))
            && let Input::Text(text) = &shell.input
        {
            texts.push(text.written());
        }
        let given: Vec<String> = words.iter().map(Value::written).collect();
        texts.iter().for_each(|text| texts::look(shell, language, text, &given));
    } else if is_script(shell, path) {
        shell_script(shell, &Value::text(path), words);
    }
}

fn of_shell(shell: &mut Shell, words: &[Value]) {
    let parsed = Spec { short: "o:O:", long: &["rcfile:", "init-file:", "command:"] }.parse_front(words);
    if let Some(command) = parsed.values(&["command"]).next() {
        return shell.inner(&command.as_script(), None);
    }
    if parsed.has(&["c"]) {
        if let Some((command, rest)) = parsed.operands.split_first() {
            // The first word after it is the name of the shell.
            shell.inner(&command.as_script(), Some(rest.get(1..).unwrap_or_default().to_vec()));
        }
        return;
    }
    match parsed.operands.split_first() {
        Some((file, rest)) if !parsed.has(&["s"]) && file.known() != Some("-") => {
            shell_script(shell, file, rest);
        }
        _ => of_input(shell),
    }
}

/// A shell that reads its commands from its input.
fn of_input(shell: &mut Shell) {
    match shell.input.clone() {
        Input::Text(text) => shell.inner(&text.as_script(), None),
        Input::File(path) => shell_script(shell, &Value::text(path.to_string_lossy()), &[]),
        Input::Unknown | Input::Names(_) => {}
    }
}

/// A file that a shell runs. Nobody knows which of its branches it takes: only files that it names in full count, and
/// none of them is claimed.
pub(super) fn shell_script(shell: &mut Shell, file: &Value, words: &[Value]) {
    if let Input::Text(text) = shell.input_of(file) {
        return shell.inner(&text.as_script(), Some(words.to_vec()));
    }
    let Some(text) = text_of(shell, file) else { return };
    let is_script = std::mem::replace(&mut shell.is_script, true);
    shell.inner(&text, Some(words.to_vec()));
    shell.is_script = is_script;
}

/// `source FILE`: this shell runs the file.
pub(super) fn sourced(shell: &mut Shell, file: &Value, words: &[Value]) {
    if let Input::Text(text) = shell.input_of(file) {
        return shell.run(&text.as_script());
    }
    let Some(text) = text_of(shell, file) else { return };
    let arguments = shell.scope.arguments.clone();
    if !words.is_empty() {
        shell.scope.arguments = Rc::new(words.to_vec());
    }
    let is_script = std::mem::replace(&mut shell.is_script, true);
    shell.run(&text);
    shell.is_script = is_script;
    shell.scope.arguments = arguments;
    shell.scope.is_over = false;
}

/// The text of a script, if it is one for a shell.
fn text_of(shell: &mut Shell, file: &Value) -> Option<String> {
    let path = file.known().and_then(|path| shell.resolve(path))?;
    let text = read_bounded(&path, MAX_SCRIPT_BYTES).ok()?;
    let first = text.lines().next().unwrap_or_default();
    let is_of_shell = match first.strip_prefix("#!") {
        Some(interpreter) => interpreter.split(['/', ' ']).any(|word| SHELLS.contains(&word)),
        None => !text.contains('\0') && !text.contains(char::REPLACEMENT_CHARACTER),
    };
    (is_of_shell && shell.budget.letters(text.len())).then_some(text)
}
