//! What git writes in the working tree: files that are named, and what is not committed where it throws that
//! away. Changes of the history are the commit guard's business.

use super::{
    program,
    walk::{Shell, Simple},
};

/// Options in front of the word for what git shall do that take a value.
const GLOBAL: [&str; 6] = ["-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"];

/// Notes what git writes.
pub(super) fn run(shell: &mut Shell, mut arguments: Vec<String>, simple: &Simple) {
    let here = shell.folder.clone();
    while let Some(first) = arguments.first().cloned() {
        if first == "-C" && arguments.len() > 1 {
            shell.folder = shell.resolve(&arguments[1]);
            arguments.drain(..2);
        } else if GLOBAL.contains(&first.as_str()) {
            arguments.drain(..2.min(arguments.len()));
        } else if first.starts_with('-') {
            arguments.remove(0);
        } else {
            break;
        }
    }
    if !arguments.is_empty() {
        let verb = arguments.remove(0);
        act(shell, &verb, &arguments, simple);
    }
    shell.folder = here;
}

fn act(shell: &mut Shell, verb: &str, arguments: &[String], simple: &Simple) {
    let has = |options: &[&str]| arguments.iter().any(|word| options.contains(&word.as_str()));
    match verb {
        "checkout" => checkout(shell, arguments),
        "restore" if !has(&["--staged", "-S"]) || has(&["--worktree", "-W"]) => {
            paths(arguments, &["-s", "--source"]).for_each(|path| restored(shell, path));
        }
        "rm" if !has(&["--cached", "-n", "--dry-run"]) => {
            paths(arguments, &[]).for_each(|path| shell.write(path));
        }
        "mv" => program::run(shell, "mv", arguments, simple),
        "apply" if !has(&["--check", "--stat", "--numstat", "--summary", "--cached"]) => {
            let strip = program::strip(arguments).unwrap_or(1);
            let files: Vec<&str> =
                paths(arguments, &["--directory", "-p", "--exclude", "--include"]).collect();
            if files.is_empty() {
                program::diff(shell, simple.input.as_deref(), simple.here.as_deref(), strip, None);
            }
            files.into_iter().for_each(|file| program::diff(shell, Some(file), None, strip, None));
        }
        "reset" if has(&["--hard", "--merge", "--keep"]) => shell.discard("."),
        "stash" => {
            let verb = arguments.iter().map(String::as_str).find(|word| !word.starts_with('-'));
            if matches!(verb, None | Some("push" | "save")) {
                shell.discard(".");
            }
        }
        "clean" => {
            let is_forced = |word: &String| {
                word == "--force" || (word.starts_with('-') && !word.starts_with("--") && word.contains('f'))
            };
            if arguments.iter().any(is_forced) && !has(&["-n", "--dry-run"]) {
                let mut folders = paths(arguments, &["-e", "--exclude"]).peekable();
                if folders.peek().is_none() {
                    shell.discard(".");
                }
                folders.for_each(|folder| shell.discard(folder));
            }
        }
        "switch" if has(&["-f", "--force", "--discard-changes"]) => shell.discard("."),
        _ => {}
    }
}

fn checkout(shell: &mut Shell, arguments: &[String]) {
    if let Some(at) = arguments.iter().position(|word| word == "--") {
        arguments[at + 1..].iter().for_each(|path| restored(shell, path));
        return;
    }
    if arguments.iter().any(|word| word == "-f" || word == "--force") {
        shell.discard(".");
    }
    if arguments
        .iter()
        .any(|word| matches!(word.as_str(), "-b" | "-B" | "--orphan" | "--detach" | "-t" | "--track"))
    {
        return;
    }
    // A commit may come first, unless it is there as a file; what follows it are files, also those that are gone.
    for (at, word) in paths(arguments, &[]).enumerate() {
        if at > 0 || shell.resolve(word).is_some_and(|path| path.exists()) {
            restored(shell, word);
        }
    }
}

/// A file that becomes what it was, or all that is not committed below a folder.
fn restored(shell: &mut Shell, path: &str) {
    if shell.resolve(path).is_some_and(|path| path.is_dir()) {
        shell.discard(path);
    } else {
        shell.write(path);
    }
}

fn paths<'a>(arguments: &'a [String], with_value: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let mut skip = false;
    let mut only_paths = false;
    arguments.iter().map(String::as_str).filter(move |word| {
        if std::mem::take(&mut skip) {
            return false;
        }
        if !only_paths && *word == "--" {
            only_paths = true;
            return false;
        }
        skip = !only_paths && with_value.contains(word);
        only_paths || !word.starts_with('-')
    })
}
