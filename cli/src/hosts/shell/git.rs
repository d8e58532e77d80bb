//! The writes of git in the working tree: the files that it names, the uncommitted changes that it discards, and the
//! commands that it runs. The guard before a commit checks changes of the history.

use super::{
    input::Input,
    options::{Parsed, Spec},
    special,
    state::Shell,
    target::EVERYTHING,
    value::Value,
};
use crate::confined::read_bounded;
use std::path::Path;

/// Options in front of git's subcommand.
const GLOBAL: Spec = Spec {
    short: "C:c:p",
    long: &["git-dir:", "work-tree:", "namespace:", "exec-path?", "config-env:", "super-prefix:"],
};

/// Bytes of a file with a list of paths that are read.
const MAX_LIST_BYTES: u64 = 256 << 10;

/// Notes what git writes.
pub(super) fn run(shell: &mut Shell, words: &[Value]) {
    let scope = shell.scope.clone();
    if let Some((verb, rest)) = within(shell, words) {
        run_verb(shell, &verb, &rest);
    }
    shell.scope = scope;
}

/// Changes to the folder that the options in front name. Returns the subcommand and its words.
fn within(shell: &mut Shell, words: &[Value]) -> Option<(String, Vec<Value>)> {
    let parsed = GLOBAL.parse_front(words);
    for folder in parsed.values(&["C", "work-tree"]) {
        let folder = folder.known().and_then(|folder| shell.resolve(folder));
        shell.scope.enter(folder);
    }
    for setting in parsed.values(&["c"]) {
        let (name, value) = setting.head().split_once('=').unwrap_or_default();
        let command = value.strip_prefix('!').filter(|_| name.starts_with("alias."));
        if let Some(command) = command.or_else(|| name.to_lowercase().contains("editor").then_some(value)) {
            let command = command.to_owned();
            shell.inner(&command, None);
        }
    }
    let (verb, rest) = parsed.operands.split_first()?;
    Some((verb.known()?.to_owned(), rest.to_vec()))
}

fn run_verb(shell: &mut Shell, verb: &str, words: &[Value]) {
    let here = Value::text(".");
    let parse = |short, long| Spec { short, long }.parse(words);
    match verb {
        "checkout" => checkout(shell, words),
        "restore" => {
            let parsed =
                parse("s:SW", &["source:", "staged", "worktree", "pathspec-from-file:", "conflict:"]);
            if !parsed.has(&["staged", "S"]) || parsed.has(&["worktree", "W"]) {
                let is_of_commit = parsed.has(&["s", "source"]);
                parsed.operands.iter().for_each(|path| restored(shell, path, is_of_commit));
                listed(shell, &parsed, is_of_commit);
            }
        }
        "rm" => {
            let parsed = parse("n", &["cached", "dry-run", "pathspec-from-file:"]);
            if !parsed.has(&["cached", "n", "dry-run"]) {
                parsed.operands.iter().for_each(|path| shell.change(path));
                listed(shell, &parsed, true);
            }
        }
        "mv" if !parse("fknv", &["dry-run", "force", "verbose"]).has(&["n", "dry-run"]) => {
            special::run(shell, "mv", words);
        }
        "apply" | "am" => applied(shell, verb, words),
        "reset" if parse("", &["hard", "merge", "keep"]).has(&["hard", "merge", "keep"]) => {
            shell.discard(&here);
        }
        "read-tree" => {
            let parsed = parse("imnquv", &["reset", "dry-run"]);
            if parsed.has(&["reset"]) && !parsed.has(&["n", "dry-run"]) {
                shell.discard(&here);
            }
        }
        "stash" => {
            let parsed = parse("m:q", &["message:", "pathspec-from-file:", "index", "quiet"]);
            match parsed.operands.first().and_then(Value::known) {
                None | Some("push" | "save") => shell.discard(&here),
                Some("pop" | "apply" | "branch") => {
                    let named = parsed.operands[1..].iter().rfind(|word| {
                        word.head().contains("stash")
                            || word.head().chars().all(|letter| letter.is_ascii_digit())
                    });
                    let named = named.map(Value::written);
                    if let Some(folder) = shell.scope.folder().cloned() {
                        shell.writes.add_unstashed(folder, named);
                    }
                }
                Some(_) => {}
            }
        }
        "clean" => {
            let parsed = parse("e:", &["force", "dry-run", "exclude:"]);
            if parsed.has(&["f", "force"]) && !parsed.has(&["n", "dry-run"]) {
                if parsed.operands.is_empty() {
                    shell.discard(&here);
                }
                parsed.operands.iter().for_each(|folder| shell.discard(folder));
            }
        }
        "switch" if parse("f", &["force", "discard-changes"]).has(&["f", "force", "discard-changes"]) => {
            shell.discard(&here);
        }
        // Files outside of its patterns leave the working tree, and git no longer looks at them.
        "sparse-checkout" => {
            let verb = words.first().and_then(Value::known);
            if matches!(verb, Some("set" | "add" | "init" | "reapply" | "disable")) {
                shell.may_write(&here, EVERYTHING);
            }
        }
        "checkout-index" => {
            let parsed = parse("afu", &["all", "force", "prefix:", "stage:", "temp"]);
            if parsed.has(&["prefix"]) {
                return;
            }
            if parsed.has(&["a", "all"]) && parsed.has(&["f", "force"]) {
                shell.may_write(&here, EVERYTHING);
            }
            parsed.operands.iter().for_each(|path| shell.write(path));
        }
        "merge-file" => {
            let parsed = parse("pqL:", &["stdout", "marker-size:"]);
            parsed
                .operands
                .first()
                .filter(|_| !parsed.has(&["p", "stdout"]))
                .into_iter()
                .for_each(|file| shell.write(file));
        }
        "bundle" => {
            let parsed = parse("q", &["quiet", "progress", "version:"]);
            if parsed.operands.first().and_then(Value::known) == Some("create") {
                parsed.operands.get(1).into_iter().for_each(|file| shell.write(file));
            }
        }
        "archive" | "diff" | "log" | "show" | "format-patch" | "shortlog" => {
            let parsed = parse("o:", &["output:"]);
            parsed.values(&["output"]).for_each(|file| shell.write(file));
            match verb {
                "archive" => parsed.values(&["o"]).for_each(|file| shell.write(file)),
                "format-patch" => parsed.values(&["o"]).for_each(|folder| shell.may_write(folder, "*.patch")),
                _ => {}
            }
        }
        "rebase" | "filter-branch" | "difftool" => {
            let parsed =
                parse("x:", &["exec:", "tree-filter:", "index-filter:", "extcmd:", "onto:", "strategy:"]);
            let commands: Vec<Value> =
                parsed.values(&["x", "exec", "tree-filter", "extcmd"]).cloned().collect();
            commands.iter().for_each(|command| shell.inner(&command.as_script(), None));
        }
        "submodule" | "bisect" => {
            let at = words.iter().position(|word| matches!(word.known(), Some("foreach" | "run")));
            let rest: Vec<Value> = at
                .map(|at| {
                    words[at + 1..].iter().filter(|word| !word.head().starts_with("--")).cloned().collect()
                })
                .unwrap_or_default();
            match rest.as_slice() {
                [] => {}
                [only] => shell.inner(&only.as_script(), None),
                several => drop(shell.command_of(several)),
            }
        }
        _ => {}
    }
}

fn applied(shell: &mut Shell, verb: &str, words: &[Value]) {
    let spec = Spec {
        short: "p:C:3",
        long: &[
            "directory:",
            "exclude:",
            "include:",
            "check",
            "stat",
            "numstat",
            "summary",
            "cached",
            "whitespace:",
            "reject",
        ],
    };
    let parsed = spec.parse(words);
    if parsed.has(&["check", "stat", "numstat", "summary", "cached"])
        || (verb == "am" && parsed.has(&["abort", "skip", "quit", "continue", "show-current-patch"]))
    {
        return;
    }
    let strip = special::strip(&parsed).unwrap_or(1);
    let folder = parsed.values(&["directory"]).next();
    let files: Vec<Input> = match parsed.operands.as_slice() {
        [] => vec![shell.input.clone()],
        operands => operands.iter().map(|file| shell.input_of(file)).collect(),
    };
    files.iter().for_each(|file| special::diff(shell, file, strip, folder));
}

fn checkout(shell: &mut Shell, words: &[Value]) {
    let spec = Spec {
        short: "b:B:tfql",
        long: &[
            "orphan:",
            "detach",
            "track?",
            "force",
            "conflict:",
            "pathspec-from-file:",
            "ours",
            "theirs",
            "patch",
        ],
    };
    if let Some(at) = words.iter().position(|word| word.known() == Some("--")) {
        let is_of_commit = !spec.parse(&words[..at]).operands.is_empty();
        return words[at + 1..].iter().for_each(|path| restored(shell, path, is_of_commit));
    }
    let parsed = spec.parse(words);
    if parsed.has(&["f", "force"]) {
        shell.discard(&Value::text("."));
    }
    listed(shell, &parsed, true);
    if parsed.has(&["b", "B", "orphan", "detach", "t", "track"]) {
        return;
    }
    // The first word may be a commit, unless there is such a file. The following words are files, even if they are
    // gone.
    let is_there =
        |word: &Value| word.known().and_then(|path| shell.resolve(path)).is_some_and(|path| path.exists());
    let is_file = parsed.operands.first().is_some_and(is_there);
    for (at, word) in parsed.operands.iter().enumerate() {
        if at > 0 || is_file {
            restored(shell, word, !is_file);
        }
    }
}

/// Notes the paths that a file lists.
fn listed(shell: &mut Shell, parsed: &Parsed, is_of_commit: bool) {
    let files: Vec<Value> = parsed.values(&["pathspec-from-file"]).cloned().collect();
    for file in files {
        let path = file.known().and_then(|path| shell.resolve(path));
        let text = path.and_then(|path| read_bounded(&path, MAX_LIST_BYTES).ok()).unwrap_or_default();
        text.lines().for_each(|line| restored(shell, &Value::text(line), is_of_commit));
    }
}

/// Notes that a path is restored. For a folder these are all uncommitted changes in it, or all of its files in another
/// commit.
fn restored(shell: &mut Shell, path: &Value, is_of_commit: bool) {
    let is_folder = path.known().and_then(|path| shell.resolve(path)).is_some_and(|path| path.is_dir());
    match (is_folder, is_of_commit) {
        (true, true) => shell.may_write(path, EVERYTHING),
        (true, false) => shell.discard(path),
        (false, _) => shell.write(path),
    }
}

/// The output of git, if it is names of files.
pub(super) fn printed(shell: &mut Shell, words: &[Value]) -> Input {
    let scope = shell.scope.clone();
    let found = within(shell, words);
    let here = shell.scope.folder().cloned();
    shell.scope = scope;
    let Some((verb, rest)) = found else { return Input::Unknown };
    let has = |option: &str| rest.iter().any(|word| word.known() == Some(option));
    let top = || here.as_deref().and_then(top).map(|top| Value::text(top.to_string_lossy()));
    match verb.as_str() {
        "rev-parse" if has("--show-toplevel") => top().map_or(Input::Unknown, Input::Text),
        "ls-files" => {
            let paths: Vec<Value> =
                rest.iter().filter(|word| !word.head().starts_with('-')).cloned().collect();
            let below = |path: &Value| {
                let is_folder =
                    path.known().and_then(|path| shell.resolve(path)).is_some_and(|path| path.is_dir());
                if is_folder { path.join(&Value::any()) } else { wild(path) }
            };
            Input::Names(if paths.is_empty() {
                vec![Value::text(".").join(&Value::any())]
            } else {
                paths.iter().map(below).collect()
            })
        }
        "grep"
            if rest
                .iter()
                .any(|word| matches!(word.known(), Some("-l" | "--files-with-matches" | "--name-only"))) =>
        {
            Input::Names(vec![Value::text(".").join(&Value::any())])
        }
        "diff" | "log" | "show" | "diff-tree" | "diff-index" if has("--name-only") => {
            top().map_or(Input::Unknown, |top| Input::Names(vec![top.join(&Value::any())]))
        }
        _ => Input::Unknown,
    }
}

/// A pattern of git, which matches in subfolders as well: `'*.rs'`.
fn wild(path: &Value) -> Value {
    let Some(text) = path.known().filter(|text| text.contains('*')) else { return path.clone() };
    let mut value = Value::default();
    for (at, piece) in text.split('*').enumerate() {
        if at > 0 {
            value.push_any();
        }
        value.push_text(piece);
    }
    if value.head().is_empty() { Value::text("./").join(&value) } else { value }
}

/// The root of the work tree around a folder.
fn top(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|above| above.join(".git").exists())
}
