//! What the usual programs write, as tables: their options, and which of their words are files that they write. What
//! cannot be said in a row of a table is in [`super::special`].

use super::{options::Spec, value::Value, walk::Shell};

/// Which of the words that are no options are files that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operands {
    None,
    All,
    /// All but the first, which is something else.
    AfterFirst,
    Second,
    Last,
}

/// A row: programs, their options, and what they write.
struct Row {
    names: &'static [&'static str],
    spec: Spec,
    /// Options without any of which they write nothing of that.
    needs: &'static [&'static str],
    operands: Operands,
    /// Options of which one takes the place of the first operand.
    instead_of_first: &'static [&'static str],
    /// Options whose value is a file that is written.
    outputs: &'static [&'static str],
}

const fn row(names: &'static [&'static str], short: &'static str, long: &'static [&'static str]) -> Row {
    Row {
        names,
        spec: Spec { short, long },
        needs: &[],
        operands: Operands::None,
        instead_of_first: &[],
        outputs: &[],
    }
}

impl Row {
    const fn operands(mut self, operands: Operands) -> Self {
        self.operands = operands;
        self
    }

    const fn needs(mut self, needs: &'static [&'static str]) -> Self {
        self.needs = needs;
        self
    }

    const fn or_by(mut self, options: &'static [&'static str]) -> Self {
        self.instead_of_first = options;
        self
    }

    const fn outputs(mut self, outputs: &'static [&'static str]) -> Self {
        self.outputs = outputs;
        self
    }
}

const IN_PLACE: &[&str] = &["i", "in-place", "inplace"];

const ROWS: &[Row] = &[
    row(&["tee", "sponge"], "p::", &["append", "output-error?"]).operands(Operands::All),
    row(&["rm", "rmdir", "unlink", "trash", "trash-put"], "", &["interactive?", "preserve-root?"])
        .operands(Operands::All),
    row(&["touch"], "d:t:r:", &["date:", "time:", "reference:"]).operands(Operands::All),
    row(&["truncate"], "s:r:", &["size:", "reference:"]).operands(Operands::All),
    row(&["fallocate"], "l:o:", &["length:", "offset:"]).operands(Operands::All),
    row(&["shred"], "n:s:u::", &["iterations:", "size:", "remove?", "random-source:"])
        .operands(Operands::All),
    row(&["chmod", "chown", "chgrp"], "", &["reference:", "from:"])
        .operands(Operands::AfterFirst)
        .or_by(&["reference"]),
    row(&["mkfifo", "mknod"], "m:", &["mode:"]).operands(Operands::All),
    row(&["dos2unix", "unix2dos", "mac2unix"], "c:i::", &["convmode:"]).operands(Operands::All),
    row(
        &["gzip", "gunzip", "bzip2", "bunzip2", "xz", "unxz", "lzma", "zstd", "unzstd", "lz4"],
        "S:T:o:M:",
        &["suffix:", "threads:"],
    )
    .operands(Operands::All)
    .outputs(&["o"]),
    row(&["zip"], "b:i:x:t:P:n:", &[]).operands(Operands::All),
    row(
        &["sort"],
        "o:k:t:S:T:",
        &[
            "output:",
            "key:",
            "field-separator:",
            "buffer-size:",
            "temporary-directory:",
            "parallel:",
            "files0-from:",
            "batch-size:",
            "compress-program:",
        ],
    )
    .outputs(&["o", "output"]),
    row(&["shuf"], "o:n:i:", &["output:", "head-count:", "input-range:", "random-source:"])
        .outputs(&["o", "output"]),
    row(&["uniq"], "f:s:w:", &["skip-fields:", "skip-chars:", "check-chars:"]).operands(Operands::Second),
    row(&["sed", "gsed"], "i::e:f:l:E", &["in-place?", "expression:", "file:", "line-length:"])
        .needs(IN_PLACE)
        .operands(Operands::AfterFirst)
        .or_by(&["e", "f", "expression", "file"]),
    row(&["perl", "ruby"], "i::e:E:I:M:m:F:x::0::l::r:C:", &[])
        .needs(IN_PLACE)
        .operands(Operands::AfterFirst)
        .or_by(&["e", "E"]),
    row(&["yq", "jq", "dasel"], "", &["arg:", "argjson:", "from-file:", "indent:"])
        .needs(&["i", "inplace", "in-place", "w"])
        .operands(Operands::AfterFirst),
    row(&["prettier", "biome", "dprint"], "w", &["write", "config:", "parser:", "ignore-path:", "plugin:"])
        .needs(&["w", "write"])
        .operands(Operands::All),
    row(
        &["eslint", "stylelint", "tslint", "standard", "ktlint", "rubocop", "swiftlint"],
        "c:f:F:",
        &["fix", "config:", "format", "ext:", "rule:", "autocorrect", "auto-correct", "autocorrect-all"],
    )
    .needs(&["fix", "F", "A", "a", "autocorrect", "auto-correct", "autocorrect-all"])
    .operands(Operands::All),
    row(
        &["rustfmt", "black", "isort"],
        "l:",
        &["edition:", "line-length:", "config:", "config-path:", "profile:"],
    )
    .operands(Operands::All),
    row(
        &["gofmt", "goimports", "gofumpt", "shfmt", "buildifier"],
        "",
        &["w", "l", "d", "s", "r:", "local:", "i:", "ln:"],
    )
    .needs(&["w", "write"])
    .operands(Operands::All),
    row(&["clang-format", "autopep8", "yapf", "autoflake", "astyle"], "", &["i", "in-place", "style:"])
        .needs(&["i", "in-place"])
        .operands(Operands::All),
    row(
        &["curl"],
        "o:X:H:d:F:u:A:e:b:c:x:m:T:r:K:C:D:E:w:",
        &[
            "output:",
            "request:",
            "header:",
            "data:",
            "form:",
            "user:",
            "data-raw:",
            "data-binary:",
            "url:",
            "max-time:",
            "retry:",
            "proxy:",
            "output-dir:",
            "cookie-jar:",
            "dump-header:",
            "trace:",
            "stderr:",
            "user-agent:",
            "cacert:",
        ],
    )
    .outputs(&["o", "output", "c", "cookie-jar", "D", "dump-header", "trace", "stderr"]),
    row(
        &["wget"],
        "O:o:a:P:t:T:U:",
        &[
            "output-document:",
            "output-file:",
            "append-output:",
            "directory-prefix:",
            "tries:",
            "header:",
            "user-agent:",
            "post-data:",
        ],
    )
    .outputs(&["O", "output-document", "o", "output-file", "a", "append-output"]),
    row(
        &[
            "gcc", "cc", "g++", "c++", "clang", "clang++", "ld", "as", "rustc", "go", "pandoc", "protoc",
            "ar", "swiftc", "ghc", "dot", "tsc", "esbuild", "objdump", "bison", "flex", "strip",
        ],
        "o:I:L:l:D:O::f::W::m::",
        &["output:", "out:", "outfile:", "outFile:"],
    )
    .outputs(&["o", "output", "out", "outfile", "outFile"]),
    row(
        &["openssl", "gpg", "gpg2", "age", "iconv"],
        "",
        &["out:", "o:", "output:", "in:", "keyout:", "f:", "t:", "from-code:", "to-code:"],
    )
    .outputs(&["out", "o", "output", "keyout"]),
    row(&["objcopy"], "I:O:j:R:", &["input-target:", "output-target:"]).operands(Operands::Last),
    row(&["xxd"], "", &["r", "p", "l:", "c:", "g:", "s:"]).operands(Operands::Second),
    row(&["strace", "ltrace"], "o:e:p:s:E:u:", &["output:"]).outputs(&["o", "output"]),
    row(&["script"], "c:E:I:O:T:m:o:", &["command:", "log-out:", "log-io:", "log-timing:"])
        .operands(Operands::All)
        .outputs(&["O", "log-out", "log-io", "log-timing", "T"]),
    row(&["ed", "red"], "p:G", &["prompt:"]).operands(Operands::All),
    row(
        &["ex", "vi", "vim", "nvim", "emacs", "nano", "pico", "micro", "joe"],
        "c:u:S:s:T:i:",
        &["cmd:", "eval:", "load:", "execute:"],
    )
    .operands(Operands::All),
    row(&["sqlite3"], "", &["cmd:", "init:", "separator:", "nullvalue:"]).operands(Operands::None),
    row(&["scp", "rcp"], "P:i:F:o:c:J:l:S:", &[]).operands(Operands::Last),
    row(&["rename", "prename", "file-rename"], "e:", &["expr:"]).operands(Operands::AfterFirst).or_by(&["e"]),
    row(&["setfacl", "setfattr"], "m:x:M:X:n:v:", &["modify:", "remove:", "name:", "value:"])
        .operands(Operands::All),
];

/// Whether it has a row.
pub(super) fn is_known(name: &str) -> bool {
    ROWS.iter().any(|row| row.names.contains(&name))
}

/// Notes what a program writes by its row.
pub(super) fn run(shell: &mut Shell, name: &str, words: &[Value]) {
    let Some(row) = ROWS.iter().find(|row| row.names.contains(&name)) else { return };
    let parsed = row.spec.parse(words);
    parsed.values(row.outputs).for_each(|file| shell.write(file));
    if !row.needs.is_empty() && !parsed.has(row.needs) {
        return;
    }
    // `sed -i '' …`: an empty ending on its own is no file.
    let mut operands: Vec<&Value> =
        parsed.operands.iter().filter(|operand| operand.known() != Some("")).collect();
    let is_first_else = row.operands == Operands::AfterFirst && !parsed.has(row.instead_of_first);
    if is_first_else && !operands.is_empty() {
        operands.remove(0);
    }
    match row.operands {
        Operands::None => {}
        Operands::All | Operands::AfterFirst => {
            operands.into_iter().for_each(|file| written(shell, name, file));
        }
        Operands::Second => operands.get(1).into_iter().for_each(|file| shell.write(file)),
        Operands::Last => operands.last().into_iter().for_each(|file| shell.write(file)),
    }
}

/// Programs that go into folders by themselves.
const INTO_FOLDERS: &[&str] = &[
    "black",
    "isort",
    "prettier",
    "biome",
    "dprint",
    "eslint",
    "stylelint",
    "standard",
    "rubocop",
    "gofmt",
    "goimports",
    "gofumpt",
    "shfmt",
];

fn written(shell: &mut Shell, name: &str, file: &Value) {
    if INTO_FOLDERS.contains(&name) { shell.write_tree(file) } else { shell.write(file) }
}
