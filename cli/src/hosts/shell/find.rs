//! The writes of `find`. It searches no folder itself: a pattern stands for the files that `find` would find.

use super::{state::Shell, target::EVERYTHING, value::Value};

/// The placeholder for the file in a command of `-exec`.
const EACH: &str = "{}";

/// The folders that `find` starts in, and its tests and actions.
fn parts(words: &[Value]) -> (Vec<Value>, &[Value]) {
    let is_test =
        |word: &Value| word.head().starts_with('-') || matches!(word.known(), Some("(" | "!" | ","));
    let options = words.iter().take_while(|word| matches!(word.known(), Some("-H" | "-L" | "-P"))).count();
    let rest = &words[options..];
    let (starts, tests) = rest.split_at(rest.iter().position(is_test).unwrap_or(rest.len()));
    let starts = if starts.is_empty() { vec![Value::text(".")] } else { starts.to_vec() };
    (starts, tests)
}

/// The files that `find` lists.
pub(super) fn listed(words: &[Value]) -> Vec<Value> {
    let (starts, tests) = parts(words);
    let names = names(tests);
    let below = |start: &Value| -> Vec<Value> {
        let all = start.join(&Value::any());
        if names.is_empty() {
            return vec![all];
        }
        names.iter().map(|name| all.join(&globbed(name))).collect()
    };
    starts.iter().flat_map(below).collect()
}

/// Notes the files that `find` and its commands write.
pub(super) fn run(shell: &mut Shell, words: &[Value]) {
    let (starts, tests) = parts(words);
    let mut patterns: Vec<String> = names(tests).iter().map(|name| format!("**/{name}")).collect();
    if patterns.is_empty() {
        patterns.push(EVERYTHING.to_owned());
    }
    let mut at = 0;
    while at < tests.len() {
        match tests[at].known() {
            Some("-delete") => {
                for start in &starts {
                    patterns.iter().for_each(|pattern| shell.change_below(start, pattern));
                }
            }
            Some("-exec" | "-execdir" | "-ok" | "-okdir") => {
                let command = &tests[at + 1..];
                let length = command.iter().position(|word| matches!(word.known(), Some(";" | "+")));
                let command = &command[..length.unwrap_or(command.len())];
                for file in listed(words) {
                    let command: Vec<Value> =
                        command.iter().map(|word| word.with_each(EACH, &file)).collect();
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

/// The patterns of names of which one matches each file that `find` finds; `None` if it may find other files, too.
fn names(tests: &[Value]) -> Vec<String> {
    let is_not = |word: &Value| matches!(word.known(), Some("!" | "-not" | ","));
    if tests.iter().any(is_not) {
        return Vec::new();
    }
    let alternatives = tests.split(|word| matches!(word.known(), Some("-o" | "-or")));
    let named = |alternative: &[Value]| {
        let mut pairs = alternative.windows(2);
        let name = pairs.find(|pair| pair[0].known() == Some("-name")).map(|pair| pair[1].written());
        name.filter(|name| !name.contains('/'))
    };
    alternatives.map(named).collect::<Option<Vec<String>>>().unwrap_or_default()
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
