//! What `find` writes with what it finds. Looks for nothing itself: which files these are is said by a pattern.

use super::walk::{EVERYTHING, Shell, Simple};

/// What stands for each file that is found.
const EACH: &str = "{}";

/// Notes what it writes.
pub(super) fn run(shell: &mut Shell, arguments: &[String], simple: &Simple) {
    let is_test = |word: &String| word.starts_with('-') || matches!(word.as_str(), "(" | "!" | ",");
    let options = arguments.iter().take_while(|word| matches!(word.as_str(), "-H" | "-L" | "-P")).count();
    let rest = &arguments[options..];
    let (starts, tests) = rest.split_at(rest.iter().position(is_test).unwrap_or(rest.len()));
    // Of a word that is not known nobody knows where it stood.
    let mut starts: Vec<&str> = if simple.is_partial { Vec::new() } else { words(starts) };
    if starts.is_empty() {
        starts.push(".");
    }
    let pattern = pattern(tests);
    let mut at = 0;
    while at < tests.len() {
        match tests[at].as_str() {
            "-delete" => starts.iter().for_each(|start| shell.anywhere(start, &pattern)),
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                let command = &tests[at + 1..];
                let length = command.iter().position(|word| word == ";" || word == "+");
                let command = &command[..length.unwrap_or(command.len())];
                started(shell, command, &starts, &pattern);
                at += command.len();
            }
            "-fprint" | "-fprint0" | "-fprintf" | "-fls" => {
                if let Some(file) = tests.get(at + 1) {
                    shell.write(file);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The files that it may find below each of its folders: those of the only name that it looks for.
fn pattern(tests: &[String]) -> String {
    let is_either = |word: &String| matches!(word.as_str(), "-o" | "-or" | "!" | "-not" | ",");
    let mut names = tests.windows(2).filter(|pair| pair[0] == "-name").map(|pair| &pair[1]);
    match (names.next(), names.next()) {
        (Some(name), None) if !tests.iter().any(is_either) && !name.contains('/') => format!("**/{name}"),
        _ => EVERYTHING.to_owned(),
    }
}

/// A command that it starts for what it finds.
fn started(shell: &mut Shell, command: &[String], starts: &[&str], pattern: &str) {
    let writes = shell.aside(command.to_vec());
    let here = shell.folder.clone().unwrap_or_default();
    for path in &writes.paths {
        let name = path.strip_prefix(&here).unwrap_or(path).to_string_lossy();
        match name.split_once(EACH) {
            Some(("", _)) => starts.iter().for_each(|start| shell.anywhere(start, pattern)),
            Some((folder, _)) => {
                let folder = folder.rsplit_once('/').map_or(".", |(folder, _)| folder);
                shell.anywhere(folder, EVERYTHING);
            }
            None => shell.write(&path.to_string_lossy()),
        }
    }
    writes.discards.iter().for_each(|folder| shell.discard(&folder.to_string_lossy()));
    for (folder, pattern) in &writes.anywhere {
        shell.anywhere(&folder.to_string_lossy(), pattern);
    }
}
