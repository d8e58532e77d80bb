//! What the usual programs write, by their arguments.

use super::walk::{Shell, Simple, base};
use crate::hosts::patch;
use std::{fs, path::Path};

/// Programs that start another one, and their options that take a value of their own.
const PREFIXES: [(&str, &[&str]); 16] = [
    ("env", &["-u", "--unset", "-C", "--chdir"]),
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-U"]),
    ("doas", &["-u", "-C"]),
    ("nohup", &[]),
    ("time", &["-f", "-o"]),
    ("command", &[]),
    ("builtin", &[]),
    ("exec", &["-a"]),
    ("nice", &["-n"]),
    ("ionice", &["-c", "-n"]),
    ("timeout", &["-s", "--signal", "-k", "--kill-after"]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("setsid", &[]),
    ("xargs", &["-I", "-n", "-P", "-L", "-d", "-a", "-s"]),
    ("busybox", &[]),
    ("noglob", &[]),
];

/// A patch in a file is read up to here.
const MAX_PATCH_BYTES: u64 = 4 << 20;

/// Programs whose words are looked at, besides those that start another one.
const KNOWN: [&str; 42] = [
    "cd",
    "pushd",
    "popd",
    "export",
    "local",
    "declare",
    "typeset",
    "readonly",
    "git",
    "find",
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "ash",
    "eval",
    "tee",
    "touch",
    "rm",
    "rmdir",
    "unlink",
    "shred",
    "sponge",
    "truncate",
    "chmod",
    "cp",
    "install",
    "ln",
    "mv",
    "dd",
    "sed",
    "gsed",
    "perl",
    "ruby",
    "awk",
    "gawk",
    "curl",
    "wget",
    "patch",
    "apply_patch",
    "applypatch",
];

/// Whether anything is known of what a program writes.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || PREFIXES.iter().any(|(prefix, _)| *prefix == name)
}

/// Takes away what only starts the command.
pub(super) fn without_prefix(words: &mut Vec<String>) {
    while let Some((name, with_value)) =
        words.first().and_then(|word| PREFIXES.iter().find(|(name, _)| *name == base(word))).copied()
    {
        let mut at = 1;
        while let Some(word) = words.get(at) {
            if with_value.contains(&word.as_str()) {
                at += 2;
            } else if word.starts_with('-') || (matches!(name, "env" | "sudo") && word.contains('=')) {
                at += 1;
            } else {
                break;
            }
        }
        // `timeout 10 make`: how long comes before the command.
        at += usize::from(name == "timeout");
        words.drain(..at.min(words.len()));
    }
}

/// Notes what a program writes.
pub(super) fn run(shell: &mut Shell, name: &str, arguments: &[String], simple: &Simple) {
    match name {
        "sh" | "bash" | "zsh" | "dash" | "ksh" | "ash" => script(shell, arguments, simple),
        "eval" => shell.eval(&arguments.join(" ")),
        "tee" | "touch" | "rm" | "rmdir" | "unlink" | "shred" | "sponge" => {
            plain(arguments, &["-r", "--reference", "-d", "-t", "--date", "-n", "-s"][..takes(name)])
                .for_each(|path| shell.write(path));
        }
        "truncate" => {
            plain(arguments, &["-s", "--size", "-r", "--reference"]).for_each(|path| shell.write(path));
        }
        "chmod" => plain(arguments, &["--reference"]).skip(1).for_each(|path| shell.write(path)),
        "cp" | "install" | "ln" => copied(shell, arguments, name, simple),
        "mv" => copied(shell, arguments, name, simple),
        "dd" => {
            arguments.iter().filter_map(|word| word.strip_prefix("of=")).for_each(|path| shell.write(path));
        }
        "sed" | "gsed" => in_place(shell, arguments, &["-e", "-f", "--expression", "--file"], "nrEsuz"),
        "perl" | "ruby" => in_place(shell, arguments, &["-e", "-E", "-I", "-M", "-f"], "npalw0sTW"),
        "awk" | "gawk" => awk(shell, arguments),
        "curl" => after(arguments, &["-o", "--output"]).for_each(|path| shell.write(path)),
        // Every one of these stands in `KNOWN`.
        "wget" => after(arguments, &["-O", "--output-document"]).for_each(|path| shell.write(path)),
        "patch" => patched(shell, arguments, simple),
        "apply_patch" | "applypatch" => {
            let body = simple.here.clone().or_else(|| arguments.first().cloned()).unwrap_or_default();
            patch::paths(&body).iter().for_each(|path| shell.write(&path.to_string_lossy()));
        }
        _ => {}
    }
}

/// How many of the options that take a value are ones of this program.
const fn takes(name: &str) -> usize {
    match name.as_bytes() {
        b"touch" => 5,
        _ => 0,
    }
}

/// The arguments that are no options, nor the values of these.
fn plain<'a>(arguments: &'a [String], with_value: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let mut skip = false;
    let mut only_paths = false;
    arguments.iter().map(String::as_str).filter(move |word| {
        if std::mem::take(&mut skip) {
            return false;
        }
        if only_paths {
            return true;
        }
        if *word == "--" {
            only_paths = true;
            return false;
        }
        skip = with_value.contains(word);
        !word.starts_with('-') || *word == "-"
    })
}

/// The values of an option.
fn after<'a>(arguments: &'a [String], options: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let next =
        arguments.windows(2).filter(|pair| options.contains(&pair[0].as_str())).map(|pair| pair[1].as_str());
    let joined = arguments.iter().filter_map(|word| {
        let (option, value) = word.split_once('=')?;
        options.contains(&option).then_some(value)
    });
    next.chain(joined)
}

fn script(shell: &mut Shell, arguments: &[String], simple: &Simple) {
    let is_script = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
    if let Some(at) = arguments.iter().position(is_script) {
        if let Some(command) = arguments.get(at + 1) {
            shell.inner(command);
        }
    } else if let Some(text) = &simple.here
        && arguments.iter().all(|word| word.starts_with('-'))
    {
        shell.inner(text);
    }
}

fn copied(shell: &mut Shell, arguments: &[String], name: &str, simple: &Simple) {
    let moves = name == "mv";
    let with_value = ["-t", "--target-directory", "-S", "--suffix", "-m", "--mode", "-o", "-g"];
    let into = after(arguments, &["-t", "--target-directory"]).next().map(str::to_owned);
    let makes_folders = name == "install" && arguments.iter().any(|word| word == "-d");
    let mut paths: Vec<&str> = plain(arguments, &with_value).collect();
    if makes_folders {
        return;
    }
    if simple.is_partial {
        // What the last word is cannot be known; what is moved is gone from where it was.
        paths.into_iter().filter(|_| moves).for_each(|path| shell.write(path));
        return;
    }
    let (target, is_folder) = match into {
        Some(folder) => (folder, true),
        None => {
            let Some(last) = paths.pop() else { return };
            if paths.is_empty() {
                // `ln -s target` makes a file of the same name here.
                if name == "ln" {
                    shell.write(base(last));
                }
                return;
            }
            let is_folder = last.ends_with('/')
                || paths.len() > 1
                || shell.resolve(last).is_some_and(|path| path.is_dir());
            (last.to_owned(), is_folder)
        }
    };
    for path in paths {
        if moves {
            shell.write(path);
        }
        if is_folder {
            let file = base(path.trim_end_matches('/'));
            shell.write(&format!("{}/{file}", target.trim_end_matches('/')));
        } else {
            shell.write(&target);
        }
    }
}

/// `sed -i`, `perl -pi -e`: files are changed in place, and one argument is the program if no option is.
fn in_place(shell: &mut Shell, arguments: &[String], with_value: &[&str], flags: &str) {
    let is_in_place = |word: &String| {
        if word.starts_with("--in-place") {
            return true;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.starts_with('-')) else {
            return false;
        };
        // Letters before `i` are flags; those after it are the ending of the copy that is kept.
        letters.find('i').is_some_and(|at| letters[..at].chars().all(|letter| flags.contains(letter)))
    };
    if !arguments.iter().any(is_in_place) {
        return;
    }
    let is_program = |word: &str| {
        with_value.contains(&word)
            || ["--expression=", "--file="].iter().any(|start| word.starts_with(start))
            || (word.starts_with('-') && !word.starts_with("--") && word.len() > 2 && word.ends_with('e'))
    };
    let has_program = arguments.iter().any(|word| is_program(word));
    let mut files: Vec<&str> = Vec::new();
    let mut skip = false;
    for word in arguments {
        if std::mem::take(&mut skip) {
            continue;
        }
        if word.starts_with('-') && word.len() > 1 {
            skip = is_program(word) && !word.contains('=');
        } else if !word.is_empty() {
            // `sed -i '' …`: an empty ending on its own is no file.
            files.push(word);
        }
    }
    files.into_iter().skip(usize::from(!has_program)).for_each(|path| shell.write(path));
}

fn awk(shell: &mut Shell, arguments: &[String]) {
    if after(arguments, &["-i", "--include"]).any(|library| library == "inplace") {
        let has_file = arguments.iter().any(|word| word == "-f");
        plain(arguments, &["-i", "--include", "-f", "-v", "-F"])
            .skip(usize::from(!has_file))
            .for_each(|path| shell.write(path));
    }
}

fn patched(shell: &mut Shell, arguments: &[String], simple: &Simple) {
    let with_value = ["-p", "-d", "-i", "-o", "-r", "-D", "-F", "-B", "-z"];
    if arguments.iter().any(|word| word == "--dry-run") {
        return;
    }
    let mut files = plain(arguments, &with_value);
    if let Some(file) = files.next() {
        shell.write(file);
        return;
    }
    let strip = strip(arguments).unwrap_or(0);
    let from =
        after(arguments, &["-i", "--input"]).next().map(str::to_owned).or_else(|| simple.input.clone());
    let folder = after(arguments, &["-d", "--directory"]).next().map(str::to_owned);
    diff(shell, from.as_deref(), simple.here.as_deref(), strip, folder.as_deref());
}

/// How many leading folders are taken away: `-p1`, `-p 1`, `--strip=1`.
pub(super) fn strip(arguments: &[String]) -> Option<usize> {
    let joined =
        arguments.iter().filter_map(|word| word.strip_prefix("-p").or_else(|| word.strip_prefix("--strip=")));
    joined
        .filter_map(|number| number.parse().ok())
        .next()
        .or_else(|| after(arguments, &["-p", "--strip"]).find_map(|number| number.parse().ok()))
}

/// The files of a diff in a file, or in a here-document.
pub(super) fn diff(
    shell: &mut Shell,
    file: Option<&str>,
    here: Option<&str>,
    strip: usize,
    folder: Option<&str>,
) {
    let text = match file {
        Some(file) => shell.resolve(file).and_then(|path| read(&path)),
        None => here.map(str::to_owned),
    };
    for path in patch::diff_paths(&text.unwrap_or_default(), strip) {
        let path = folder.map_or_else(|| path.clone(), |folder| Path::new(folder).join(&path));
        shell.write(&path.to_string_lossy());
    }
}

fn read(path: &Path) -> Option<String> {
    let is_small = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_PATCH_BYTES);
    if is_small { fs::read_to_string(path).ok() } else { None }
}
