//! Programs that write what no row of a table can say: copies into folders, archives, patches.

use super::{
    input::Input,
    options::{Parsed, Spec},
    simple::base,
    target::EVERYTHING,
    value::Value,
    walk::Shell,
};
use crate::{confined::read_bounded, hosts::patch};
use std::path::Path;

/// A patch in a file is read up to here.
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
const TAR: Spec = Spec {
    short: "f:C:b:T:X:g:I:K:N:V:L:H:F:",
    long: &[
        "file:",
        "directory:",
        "files-from:",
        "exclude-from:",
        "exclude:",
        "to-command:",
        "use-compress-program:",
        "transform:",
        "strip-components:",
        "owner:",
        "group:",
        "mode:",
        "format:",
        "newer:",
        "listed-incremental:",
        "index-file:",
        "extract",
        "get",
        "create",
        "append",
        "update",
        "concatenate",
        "delete",
        "list",
        "diff",
        "remove-files",
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
const UNZIP: Spec = Spec { short: "d:x:P:", long: &[] };

const KNOWN: [&str; 26] = [
    "cp",
    "mv",
    "ln",
    "install",
    "gcp",
    "gmv",
    "gln",
    "ginstall",
    "ditto",
    "dd",
    "tar",
    "gtar",
    "bsdtar",
    "unzip",
    "7z",
    "7za",
    "cpio",
    "pax",
    "rsync",
    "patch",
    "apply_patch",
    "applypatch",
    "split",
    "csplit",
    "curl",
    "wget",
];

/// Whether it is one of them.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Notes what such a program writes.
pub(super) fn run(shell: &mut Shell, name: &str, words: &[Value]) {
    match name {
        "cp" | "mv" | "ln" | "install" | "ditto" => copied(shell, name, words),
        "gcp" | "gmv" | "gln" | "ginstall" => copied(shell, &name[1..], words),
        "dd" => words.iter().filter_map(|word| word.strip_prefix("of=")).for_each(|file| shell.write(&file)),
        "tar" | "gtar" | "bsdtar" => tar(shell, words),
        "unzip" => {
            let parsed = UNZIP.parse(words);
            if !parsed.has(&["p", "l", "t", "Z", "z", "v"]) {
                let members = parsed.operands.get(1..).unwrap_or_default();
                unpacked(shell, parsed.values(&["d"]).next(), members);
            }
        }
        "7z" | "7za"
            if words.first().and_then(Value::known).is_some_and(|verb| matches!(verb, "x" | "e")) =>
        {
            let folder = words.iter().find_map(|word| word.strip_prefix("-o"));
            unpacked(shell, folder.as_ref(), &[]);
        }
        "cpio" | "pax" => {
            let parsed = Spec {
                short: "D:F:H:I:O:R:M:E:C:",
                long: &["directory:", "file:", "format:", "extract", "pass-through"],
            }
            .parse(words);
            if parsed.has(&["i", "extract", "r"]) {
                unpacked(shell, parsed.values(&["D", "directory"]).next(), &[]);
            } else if parsed.has(&["p", "pass-through", "w"]) {
                parsed.operands.last().into_iter().for_each(|folder| shell.anywhere(folder, EVERYTHING));
            }
        }
        "rsync" => rsync(shell, words),
        "patch" => patched(shell, words),
        "apply_patch" | "applypatch" => {
            let body = match (&shell.input, words.first()) {
                (Input::Text(text), _) => text.written(),
                (_, Some(word)) => word.written(),
                _ => String::new(),
            };
            patch::paths(&body).iter().for_each(|path| shell.write(&Value::text(path.to_string_lossy())));
        }
        "split" | "csplit" => split(shell, name, words),
        "curl" | "wget" => fetched(shell, name, words),
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
            let is_there =
                last.known().and_then(|path| shell.resolve(path)).is_some_and(|path| path.is_dir());
            let ends =
                matches!(last.parts.last(), Some(super::value::Part::Text(text)) if text.ends_with('/'));
            (last, !is_itself && (ends || files.len() > 1 || is_there))
        }
    };
    for file in &files {
        if moves {
            shell.write(file);
        }
        let is_tree = file.known().and_then(|path| shell.resolve(path)).is_some_and(|path| path.is_dir());
        let is_contents = file.known().is_some_and(|path| path == "." || path.ends_with("/."));
        match (is_folder, is_tree && !moves && name != "ln") {
            // All that is in it goes in there.
            (_, true) if is_contents || !is_folder => shell.anywhere(&target, EVERYTHING),
            (_, true) => {
                shell.anywhere(&target.join(&file.base()), EVERYTHING);
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

/// What is written through a link afterwards is written to where it leads.
fn linked(shell: &mut Shell, file: &Value, link: &Value, is_symbolic: bool) {
    let Some(link) = link.known().and_then(|path| shell.resolve(path)) else { return };
    let Some(file) = file.known() else { return };
    let target = match link.parent() {
        Some(above) if is_symbolic => super::target::resolved(Some(above), file),
        _ => shell.resolve(file),
    };
    if let Some(target) = target {
        std::rc::Rc::make_mut(&mut shell.scope.links).push((link, target));
    }
}

/// What comes out of an archive below a folder: the members that are named, else anything.
fn unpacked(shell: &mut Shell, folder: Option<&Value>, members: &[Value]) {
    let folder = folder.cloned().unwrap_or_else(|| Value::text("."));
    if members.is_empty() {
        shell.anywhere(&folder, EVERYTHING);
    }
    members.iter().for_each(|member| shell.write_tree(&folder.join(member)));
}

fn tar(shell: &mut Shell, words: &[Value]) {
    // `tar xf a.tar`: letters without a dash, whose values are the words that follow.
    let dashed: Vec<Value>;
    let words = match words.split_first() {
        Some((first, rest)) if !first.head().starts_with('-') && first.known().is_some() => {
            let letters = first.head().to_owned();
            let takes = letters.chars().filter(|letter| "fCbTXgIKNVLHF".contains(*letter)).count();
            let mut all: Vec<Value> = Vec::new();
            let mut values = rest.iter();
            for letter in letters.chars() {
                all.push(Value::text(format!("-{letter}")));
                if "fCbTXgIKNVLHF".contains(letter) {
                    all.extend(values.next().cloned());
                }
            }
            all.extend(rest.iter().skip(takes).cloned());
            dashed = all;
            dashed.as_slice()
        }
        _ => words,
    };
    let parsed = TAR.parse(words);
    let folder = parsed.values(&["C", "directory"]).last();
    if parsed.has(&["x", "extract", "get"]) {
        if let Some(command) = parsed.values(&["to-command"]).next() {
            shell.inner(&command.as_script(), None);
        } else if !parsed.has(&["O", "to-stdout"]) {
            unpacked(shell, folder, &parsed.operands);
        }
    } else if parsed.has(&["c", "r", "u", "A", "create", "append", "update", "delete"]) {
        let file = parsed.values(&["f", "file"]).filter(|file| file.known() != Some("-"));
        file.for_each(|file| shell.write(file));
        if parsed.has(&["remove-files"]) {
            parsed.operands.iter().for_each(|file| shell.write_tree(file));
        }
    }
}

fn rsync(shell: &mut Shell, words: &[Value]) {
    let parsed = RSYNC.parse(words);
    let is_remote = |value: &Value| value.head().contains(':');
    let Some((target, files)) = parsed.operands.split_last() else { return };
    if files.is_empty() || is_remote(target) || parsed.has(&["n", "dry-run"]) {
        return;
    }
    for file in files {
        let path = file.known().filter(|_| !is_remote(file)).and_then(|path| shell.resolve(path));
        let is_one = path.is_some_and(|path| path.is_file());
        if !is_one || parsed.has(&["delete"]) {
            shell.anywhere(target, EVERYTHING);
            continue;
        }
        let is_folder = matches!(target.parts.last(), Some(super::value::Part::Text(text)) if text.ends_with('/'))
            || target.known().and_then(|path| shell.resolve(path)).is_some_and(|path| path.is_dir());
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

/// How many leading folders are taken away.
pub(super) fn strip(parsed: &Parsed) -> Option<usize> {
    parsed.values(&["p", "strip"]).find_map(|number| number.known()?.parse().ok())
}

/// The files of a diff.
pub(super) fn diff(shell: &mut Shell, diff: &Input, strip: usize, folder: Option<&Value>) {
    let text = match diff {
        Input::Text(text) => text.written(),
        Input::File(path) => read(path),
        Input::Unknown | Input::Names(_) => String::new(),
    };
    for path in patch::diff_paths(&text, strip) {
        let path = Value::text(path.to_string_lossy());
        shell.write(&folder.map_or_else(|| path.clone(), |folder| folder.join(&path)));
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

/// `curl -O URL`, `wget URL`: a file of the URL's last name.
fn fetched(shell: &mut Shell, name: &str, words: &[Value]) {
    let (parsed, folder) = if name == "curl" {
        let parsed = Spec {
            short: "o:X:H:d:F:u:A:e:b:c:x:m:T:",
            long: &[
                "output:",
                "output-dir:",
                "remote-name",
                "remote-name-all",
                "header:",
                "data:",
                "request:",
            ],
        }
        .parse(words);
        if !parsed.has(&["O", "remote-name", "remote-name-all"]) {
            return;
        }
        (parsed, "output-dir")
    } else {
        let parsed = Spec {
            short: "O:o:a:P:t:T:U:",
            long: &["output-document:", "output-file:", "append-output:", "directory-prefix:", "header:"],
        }
        .parse(words);
        if parsed.has(&["O", "output-document", "spider"]) {
            return;
        }
        (parsed, "directory-prefix")
    };
    let folder = parsed.values(&["P", folder]).next().cloned().unwrap_or_default();
    for url in &parsed.operands {
        let file = url.known().map(|url| base(url.split(['?', '#']).next().unwrap_or(url)));
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            shell.write(&folder.join(&Value::text(file)));
        }
    }
}
