//! Archives and compressed files: which files a program unpacks, packs, moves into an archive or replaces.

use super::{options::Spec, state::Shell, target::EVERYTHING, value::Value};

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
const UNZIP: Spec = Spec { short: "d:x:P:", long: &[] };
const ZIP: Spec = Spec {
    short: "b:n:O:P:s:t:",
    long: &["move", "out:", "output-file:", "password:", "suffixes:", "temp-path:", "recurse-paths"],
};
const CPIO: Spec = Spec {
    short: "D:F:H:I:O:R:M:E:C:",
    long: &["directory:", "file:", "format:", "extract", "list", "pass-through"],
};
const COMPRESS: Spec = Spec {
    short: "S:T:o:M:D:0123456789cdfhklmnNqrtvz",
    long: &[
        "decompress",
        "force",
        "keep",
        "list",
        "memory:",
        "output-dir-flat:",
        "quiet",
        "recursive",
        "rm",
        "stdout",
        "suffix:",
        "test",
        "threads:",
        "to-stdout",
        "uncompress",
        "verbose",
    ],
};

/// Programs that compress or uncompress a file, and the ending of a compressed file.
const COMPRESSORS: &[(&[&str], &str)] = &[
    (&["gzip", "gunzip", "pigz", "unpigz"], ".gz"),
    (&["bzip2", "bunzip2"], ".bz2"),
    (&["xz", "unxz"], ".xz"),
    (&["lzma", "unlzma"], ".lzma"),
    (&["zstd", "unzstd"], ".zst"),
    (&["lz4", "unlz4"], ".lz4"),
];

/// The programs among them that keep the original file.
const KEEPING: [&str; 4] = ["zstd", "unzstd", "lz4", "unlz4"];

/// Whether it is one of these programs.
pub(super) fn is_known(name: &str) -> bool {
    matches!(name, "tar" | "gtar" | "bsdtar" | "zip" | "unzip" | "7z" | "7za" | "cpio" | "pax")
        || COMPRESSORS.iter().any(|(names, _)| names.contains(&name))
}

/// Notes the files that such a program writes.
pub(super) fn run(shell: &mut Shell, name: &str, words: &[Value]) {
    match name {
        "tar" | "gtar" | "bsdtar" => tar(shell, words),
        "zip" => zip(shell, words),
        "unzip" => {
            let parsed = UNZIP.parse(words);
            if !parsed.has(&["c", "p", "l", "t", "Z", "z", "v"]) {
                let members = parsed.operands.get(1..).unwrap_or_default();
                unpacked(shell, parsed.values(&["d"]).next(), members);
            }
        }
        "7z" | "7za" => match words.first().and_then(Value::known) {
            Some("x" | "e") if !words.iter().any(|word| word.known() == Some("-so")) => {
                let folder = words.iter().find_map(|word| word.strip_prefix("-o"));
                unpacked(shell, folder.as_ref(), &[]);
            }
            Some("a" | "u" | "d" | "rn") => {
                let archive = words[1..].iter().find(|word| !word.head().starts_with('-'));
                archive.into_iter().for_each(|archive| shell.write(archive));
            }
            _ => {}
        },
        "cpio" | "pax" => {
            let parsed = CPIO.parse(words);
            if parsed.has(&["t", "list"]) {
                return;
            }
            if parsed.has(&["i", "extract", "r"]) {
                unpacked(shell, parsed.values(&["D", "directory"]).next(), &[]);
            } else if parsed.has(&["p", "pass-through", "w"]) {
                parsed.operands.last().into_iter().for_each(|folder| shell.may_write(folder, EVERYTHING));
            }
        }
        _ => {
            if let Some((_, ending)) = COMPRESSORS.iter().find(|(names, _)| names.contains(&name)) {
                compressed(shell, name, ending, words);
            }
        }
    }
}

/// Notes the files that an archive is unpacked into: the members that are named, else any file below the folder.
fn unpacked(shell: &mut Shell, folder: Option<&Value>, members: &[Value]) {
    let folder = folder.cloned().unwrap_or_else(|| Value::text("."));
    if members.is_empty() {
        shell.may_write(&folder, EVERYTHING);
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
        parsed.values(&["f", "file"]).for_each(|file| shell.write(file));
        if parsed.has(&["remove-files"]) {
            parsed.operands.iter().for_each(|file| changed_tree(shell, file));
        }
    }
}

/// `zip ARCHIVE FILES`: without an ending the archive gets one; files that are moved there are gone.
fn zip(shell: &mut Shell, words: &[Value]) {
    let parsed = ZIP.parse(words);
    let Some((archive, files)) = parsed.operands.split_first() else { return };
    let mut outputs = parsed.values(&["O", "out", "output-file"]).peekable();
    if outputs.peek().is_none() {
        let mut archive = archive.clone();
        let is_plain = |text: &str| text != "-" && !text.rsplit('/').next().unwrap_or(text).contains('.');
        if archive.known().is_some_and(is_plain) {
            archive.push_text(".zip");
        }
        shell.write(&archive);
    }
    outputs.for_each(|file| shell.write(file));
    if parsed.has(&["m", "move"]) {
        files.iter().for_each(|file| changed_tree(shell, file));
    }
}

/// `gzip FILE`: there is `FILE.gz` then, and most often no `FILE`.
fn compressed(shell: &mut Shell, name: &str, ending: &str, words: &[Value]) {
    let parsed = COMPRESS.parse(words);
    parsed.values(&["o"]).for_each(|file| shell.write(file));
    if parsed.has(&["c", "stdout", "to-stdout", "t", "test", "l", "list"]) {
        return;
    }
    let is_back = name.contains("un") || parsed.has(&["d", "decompress", "uncompress"]);
    let is_kept = parsed.has(&["k", "keep"]) || (KEEPING.contains(&name) && !parsed.has(&["rm"]));
    if let ([_, output], true) = (parsed.operands.as_slice(), ending == ".lz4" && !parsed.has(&["m"])) {
        return shell.write(output);
    }
    for file in &parsed.operands {
        if !is_kept {
            changed_tree(shell, file);
        }
        let is_elsewhere = parsed.has(&["o", "S", "suffix", "output-dir-flat"]);
        if is_elsewhere || shell.is_folder(file) {
            continue;
        }
        if !is_back {
            let mut made = file.clone();
            made.push_text(ending);
            shell.write(&made);
        } else if let Some(made) = file.known().and_then(|file| file.strip_suffix(ending)) {
            shell.write(&Value::text(made));
        }
    }
}

/// Notes that a file is removed, or everything beneath it if it is a folder.
fn changed_tree(shell: &mut Shell, file: &Value) {
    if shell.is_folder(file) { shell.change_below(file, EVERYTHING) } else { shell.change(file) }
}
