//! Programs that no row of the table can describe: they copy into folders, apply patches, or write parts of files.

use super::{
    input::Input,
    options::{Parsed, Spec},
    state::Shell,
    target::EVERYTHING,
    value::{Part, Value},
};
use crate::{confined::read_bounded, hosts::patch};
use std::path::{Path, PathBuf};

/// Bytes of a file with a patch that are read.
const MAX_PATCH_BYTES: u64 = 4 << 20;

const COPY: Spec = Spec {
    short: "t:S:m:o:g:b",
    long: &[
        "target-directory:",
        "no-target-directory",
        "suffix:",
        "mode:",
        "owner:",
        "group:",
        "backup?",
        "strip-program:",
        "preserve?",
        "no-preserve:",
        "sparse:",
        "reflink?",
        "context?",
    ],
};
const PATCH: Spec = Spec {
    short: "p:d:i:o:r:D:F:B:z:V:Y:g:",
    long: &[
        "strip:",
        "directory:",
        "input:",
        "output:",
        "reject-file:",
        "ifdef:",
        "fuzz:",
        "prefix:",
        "suffix:",
        "dry-run",
    ],
};
const RSYNC: Spec = Spec {
    short: "e:f:T:B:M:",
    long: &[
        "rsh:",
        "filter:",
        "exclude:",
        "include:",
        "exclude-from:",
        "include-from:",
        "files-from:",
        "delete",
        "log-file:",
        "dry-run",
        "temp-dir:",
        "compare-dest:",
        "copy-dest:",
        "link-dest:",
        "chmod:",
        "chown:",
        "usermap:",
        "groupmap:",
    ],
};
const SCP: Spec = Spec { short: "P:i:F:o:c:J:l:S:D:X:346ABCOpqRrTv", long: &[] };

const KNOWN: [&str; 18] = [
    "cp",
    "mv",
    "ln",
    "install",
    "gcp",
    "gmv",
    "gln",
    "ginstall",
    "ditto",
    "scp",
    "rcp",
    "dd",
    "rsync",
    "patch",
    "apply_patch",
    "applypatch",
    "split",
    "csplit",
];

/// Whether the program is one of them.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Notes the files that such a program writes.
pub(super) fn run(shell: &mut Shell, name: &str, words: &[Value]) {
    match name {
        "cp" | "mv" | "ln" | "install" | "ditto" => copied(shell, name, words),
        "gcp" | "gmv" | "gln" | "ginstall" => copied(shell, &name[1..], words),
        "dd" => words.iter().filter_map(|word| word.strip_prefix("of=")).for_each(|file| shell.write(&file)),
        "scp" | "rcp" => copied_from_afar(shell, words),
        "rsync" => rsync(shell, words),
        "patch" => patched(shell, words),
        "apply_patch" | "applypatch" => {
            let body = match (&shell.input, words.first()) {
                (Input::Text(text), _) => text.written(),
                (_, Some(word)) => word.written(),
                _ => String::new(),
            };
            patched_files(shell, &patch::paths(&body), None);
        }
        "script" => {
            let parsed = Spec { short: "c:E:I:O:B:T:m:o:", long: &["command:"] }.parse(words);
            parsed.values(&["c", "command"]).for_each(|command| shell.inner(&command.as_script(), None));
        }
        "split" | "csplit" => split(shell, name, words),
        _ => {}
    }
}

fn copied(shell: &mut Shell, name: &str, words: &[Value]) {
    let parsed = COPY.parse(words);
    let moves = name == "mv";
    if name == "install" && parsed.has(&["d"]) {
        return;
    }
    let mut files = parsed.operands.clone();
    let (target, is_folder) = match parsed.values(&["t", "target-directory"]).next() {
        Some(folder) => (folder.clone(), true),
        None => {
            let Some(last) = files.pop() else { return };
            if files.is_empty() {
                // `ln -s target` makes a file of the same name here.
                if name == "ln" {
                    shell.write(&last.base());
                }
                return;
            }
            let is_itself = parsed.has(&["T", "no-target-directory"]);
            let is_folder = files.len() > 1 || is_folder(shell, &last);
            (last, !is_itself && is_folder)
        }
    };
    for file in &files {
        if moves {
            shell.change(file);
        }
        let is_tree = shell.is_folder(file);
        let is_contents = file.known().is_some_and(|path| path == "." || path.ends_with("/."));
        match (is_folder, is_tree && !moves && name != "ln") {
            // The whole content of the folder is copied.
            (_, true) if is_contents || !is_folder => shell.may_write(&target, EVERYTHING),
            (_, true) => {
                shell.may_write(&target.join(&file.base()), EVERYTHING);
            }
            (true, false) => shell.write(&target.join(&file.base())),
            (false, false) => shell.write(&target),
        }
        if name == "ln" || (name == "cp" && parsed.has(&["l", "s", "link", "symbolic-link"])) {
            linked(
                shell,
                file,
                &if is_folder { target.join(&file.base()) } else { target.clone() },
                parsed.has(&["s", "symbolic"]),
            );
        }
    }
}

/// Remembers a link: a later write through it is a write to its target.
fn linked(shell: &mut Shell, file: &Value, link: &Value, is_symbolic: bool) {
    let Some(link) = link.known().and_then(|path| shell.resolve(path)) else { return };
    let Some(file) = file.known() else { return };
    let target = match link.parent() {
        Some(above) if is_symbolic => super::paths::resolved(Some(above), file),
        _ => shell.resolve(file),
    };
    if let Some(target) = target {
        std::rc::Rc::make_mut(&mut shell.scope.links).push((link, target));
    }
}

/// Whether a word names a file on another machine: `host:path`, `rsync://host/path`.
fn is_remote(value: &Value) -> bool {
    value.head().split('/').next().is_some_and(|first| first.contains(':'))
}

/// `scp host:FILE FOLDER`
fn copied_from_afar(shell: &mut Shell, words: &[Value]) {
    let parsed = SCP.parse(words);
    let Some((target, files)) = parsed.operands.split_last() else { return };
    if is_remote(target) || files.is_empty() {
        return;
    }
    let is_folder = files.len() > 1 || is_folder(shell, target);
    for file in files {
        let base = match (file.known(), file.known().and_then(|path| path.rsplit(['/', ':']).next())) {
            // Only the other machine knows which files these are.
            (_, Some(name)) if name.is_empty() || name.contains(['*', '?', '[']) => Value::any(),
            (_, Some(name)) => Value::text(name),
            (None, _) | (_, None) => file.base(),
        };
        match (is_folder, parsed.has(&["r"])) {
            (true, true) => shell.may_write(&target.join(&base), EVERYTHING),
            (false, true) => shell.may_write(target, EVERYTHING),
            (true, false) => shell.write(&target.join(&base)),
            (false, false) => shell.write(target),
        }
    }
}

/// Whether a path is a folder, by its name or because there is such a folder.
fn is_folder(shell: &Shell, path: &Value) -> bool {
    let is_named = |text: &str| text.ends_with('/') || matches!(text.rsplit('/').next(), Some("." | ".."));
    matches!(path.parts.last(), Some(Part::Text(text)) if is_named(text)) || shell.is_folder(path)
}

fn rsync(shell: &mut Shell, words: &[Value]) {
    let parsed = RSYNC.parse(words);
    let Some((target, files)) = parsed.operands.split_last() else { return };
    if files.is_empty() || is_remote(target) || parsed.has(&["n", "dry-run"]) {
        return;
    }
    for file in files {
        let path = file.known().filter(|_| !is_remote(file)).and_then(|path| shell.resolve(path));
        let is_one = path.is_some_and(|path| path.is_file());
        if !is_one || parsed.has(&["delete"]) {
            shell.may_write(target, EVERYTHING);
            continue;
        }
        let is_folder = is_folder(shell, target);
        let copy = if is_folder { target.join(&file.base()) } else { target.clone() };
        shell.write(&copy);
    }
}

fn patched(shell: &mut Shell, words: &[Value]) {
    let parsed = PATCH.parse(words);
    if parsed.has(&["dry-run"]) {
        return;
    }
    if let Some(file) = parsed.values(&["o", "output"]).next().or_else(|| parsed.operands.first()) {
        return shell.write(file);
    }
    let from = parsed.values(&["i", "input"]).next().map(|file| shell.input_of(file));
    let from = from.unwrap_or_else(|| shell.input.clone());
    diff(shell, &from, strip(&parsed).unwrap_or(0), parsed.values(&["d", "directory"]).next());
}

/// The number of leading folders that are stripped.
pub(super) fn strip(parsed: &Parsed) -> Option<usize> {
    parsed.values(&["p", "strip"]).find_map(|number| number.known()?.parse().ok())
}

/// Notes the files of a diff.
pub(super) fn diff(shell: &mut Shell, diff: &Input, strip: usize, folder: Option<&Value>) {
    let text = match diff {
        Input::Text(text) => text.written(),
        Input::File(path) => read(path),
        Input::Unknown | Input::Names(_) => String::new(),
    };
    patched_files(shell, &patch::diff_paths(&text, strip), folder);
}

/// Notes the files of a patch. A patch that names too many may write any file.
fn patched_files(shell: &mut Shell, paths: &Option<Vec<PathBuf>>, folder: Option<&Value>) {
    let Some(paths) = paths else { return shell.budget.end() };
    for path in paths {
        let path = Value::text(path.to_string_lossy());
        shell.redirect(&folder.map_or_else(|| path.clone(), |folder| folder.join(&path)));
    }
}

fn read(path: &Path) -> String {
    read_bounded(path, MAX_PATCH_BYTES).unwrap_or_default()
}

fn split(shell: &mut Shell, name: &str, words: &[Value]) {
    let spec = Spec {
        short: "a:b:C:l:n:t:f:",
        long: &[
            "additional-suffix:",
            "suffix-length:",
            "bytes:",
            "lines:",
            "number:",
            "filter:",
            "prefix:",
            "suffix-format:",
            "digits:",
        ],
    };
    let parsed = spec.parse(words);
    if let Some(command) = parsed.values(&["filter"]).next() {
        return shell.inner(&command.as_script(), None);
    }
    let prefix = if name == "split" {
        parsed.operands.get(1).cloned().unwrap_or_else(|| Value::text("x"))
    } else {
        parsed.values(&["f", "prefix"]).next().cloned().unwrap_or_else(|| Value::text("xx"))
    };
    let mut files = prefix;
    files.push_any();
    parsed.values(&["additional-suffix"]).for_each(|ending| files.extend(ending));
    shell.write(&files);
}
