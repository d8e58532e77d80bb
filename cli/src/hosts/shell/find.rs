//! What `find` writes with what it finds. Looks for nothing itself: which files these are is said by a pattern.

use super::{simple::put, target::EVERYTHING, value::Value, walk::Shell};

/// What stands for each file that is found.
const EACH: &str = "{}";

/// The folders that it starts in, and its tests and actions.
fn parts(words: &[Value]) -> (Vec<Value>, &[Value]) {
    let is_test =
        |word: &Value| word.head().starts_with('-') || matches!(word.known(), Some("(" | "!" | ","));
    let options = words.iter().take_while(|word| matches!(word.known(), Some("-H" | "-L" | "-P"))).count();
    let rest = &words[options..];
    let (starts, tests) = rest.split_at(rest.iter().position(is_test).unwrap_or(rest.len()));
    let starts = if starts.is_empty() { vec![Value::text(".")] } else { starts.to_vec() };
    (starts, tests)
}

/// The files that it lists.
pub(super) fn listed(words: &[Value]) -> Vec<Value> {
    let (starts, tests) = parts(words);
    let name = name(tests);
    let below = |start: &Value| {
        let all = start.join(&Value::any());
        match &name {
            Some(name) => all.join(&globbed(name)),
            None => all,
        }
    };
    starts.iter().map(below).collect()
}

/// Notes what it writes.
pub(super) fn run(shell: &mut Shell, words: &[Value]) {
    let (starts, tests) = parts(words);
    let pattern = name(tests).map_or_else(|| EVERYTHING.to_owned(), |name| format!("**/{name}"));
    let mut at = 0;
    while at < tests.len() {
        match tests[at].known() {
            Some("-delete") => starts.iter().for_each(|start| shell.anywhere(start, &pattern)),
            Some("-exec" | "-execdir" | "-ok" | "-okdir") => {
                let command = &tests[at + 1..];
                let length = command.iter().position(|word| matches!(word.known(), Some(";" | "+")));
                let command = &command[..length.unwrap_or(command.len())];
                for file in listed(words) {
                    let command: Vec<Value> = command.iter().map(|word| put(word, EACH, &file)).collect();
                    let scope = shell.scope.clone();
                    drop(shell.command_of(&command));
                    shell.scope = scope;
                }
                at += command.len();
            }
            Some("-fprint" | "-fprint0" | "-fprintf" | "-fls") => {
                if let Some(file) = tests.get(at + 1) {
                    shell.write(file);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The only name that it looks for.
fn name(tests: &[Value]) -> Option<String> {
    let is_either = |word: &Value| matches!(word.known(), Some("-o" | "-or" | "!" | "-not" | ","));
    let mut names =
        tests.windows(2).filter(|pair| pair[0].known() == Some("-name")).map(|pair| pair[1].written());
    match (names.next(), names.next()) {
        (Some(name), None) if !tests.iter().any(is_either) && !name.contains('/') => Some(name),
        _ => None,
    }
}

fn globbed(name: &str) -> Value {
    let mut value = Value::default();
    for letter in name.chars() {
        match letter {
            '*' | '?' => value.push_glob(&letter.to_string()),
            letter => value.push_text(&letter.to_string()),
        }
    }
    value
}
