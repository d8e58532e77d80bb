//! The usual programs as a table: their options, and which of their words are files that they write.

use super::row::{
    Operands::{AfterFirst, All, First, Last, Second},
    Row, row,
};

const IN_PLACE: &[&str] = &["i", "in-place", "inplace"];

/// All rows, one for each program.
pub(super) const ROWS: &[Row] = &[
    row(&["tee", "sponge"], "aip::", &["append", "ignore-interrupts", "output-error?"]).writes(All),
    row(
        &["rm", "rmdir", "unlink", "trash", "trash-put"],
        "rRfivdIxp",
        &[
            "recursive",
            "force",
            "verbose",
            "dir",
            "interactive?",
            "preserve-root?",
            "no-preserve-root",
            "one-file-system",
            "parents",
            "ignore-fail-on-non-empty",
        ],
    )
    .changes(All),
    row(&["touch"], "d:t:r:acmhf", &["date:", "time:", "reference:", "no-create", "no-dereference"])
        .writes(All),
    row(&["truncate"], "s:r:co", &["size:", "reference:", "no-create", "io-blocks"]).writes(All),
    row(&["fallocate"], "l:o:cdinpvxz", &["length:", "offset:"]).writes(All),
    row(
        &["shred"],
        "n:s:ufvxz",
        &["iterations:", "size:", "remove?", "random-source:", "force", "verbose", "exact", "zero"],
    )
    .changes(All),
    // `chmod -x FILE`: a mode that looks like an option.
    row(
        &["chmod", "chown", "chgrp"],
        "RfvchHLPrwxXst",
        &["reference:", "from:", "recursive", "changes", "silent", "quiet", "verbose", "no-dereference"],
    )
    .changes(AfterFirst)
    .or_by(&["reference", "r", "w", "x", "X", "s", "t"]),
    row(&["mkfifo"], "m:", &["mode:"]).writes(All),
    row(&["mknod"], "m:", &["mode:"]).writes(First),
    row(
        &["dos2unix", "unix2dos", "mac2unix"],
        "c:i::bfklmnoqsuv",
        &["convmode:", "info?", "newfile", "oldfile"],
    )
    .changes(All)
    .unless(&["i", "info"]),
    row(
        &["sort"],
        "o:k:t:S:T:bcCdfghiMmnrRsuVz",
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
    row(&["shuf"], "o:n:i:erz", &["output:", "head-count:", "input-range:", "random-source:"])
        .outputs(&["o", "output"]),
    row(&["uniq"], "f:s:w:cdDiuz", &["skip-fields:", "skip-chars:", "check-chars:"]).writes(Second),
    row(&["sed", "gsed"], "i::e:f:l:Enrsuz", &["in-place?", "expression:", "file:", "line-length:"])
        .needs(IN_PLACE)
        .changes(AfterFirst)
        .or_by(&["e", "f", "expression", "file"]),
    row(&["perl"], "0:::l:::i::e:E:I:M::m::F::x::C::acfgnpsStTuUvwWX", &[])
        .needs(IN_PLACE)
        .changes(AfterFirst)
        .or_by(&["e", "E"]),
    row(&["ruby"], "0:::i::e:E:I:F::x::r:C:K::W::T::alnpsSUvwy", &[])
        .needs(IN_PLACE)
        .changes(AfterFirst)
        .or_by(&["e"]),
    row(
        &["yq"],
        "i::p:o:I:CejMnNPrsy",
        &[
            "inplace",
            "in-place",
            "input-format:",
            "output-format:",
            "indent:",
            "from-file:",
            "expression:",
            "front-matter:",
        ],
    )
    .words(&["e", "eval", "ea", "eval-all"])
    .needs(IN_PLACE)
    .changes(AfterFirst)
    .or_by(&["from-file", "expression"]),
    row(
        &["prettier"],
        "wclu",
        &[
            "write",
            "check",
            "list-different",
            "config:",
            "config-precedence:",
            "parser:",
            "ignore-path:",
            "plugin:",
            "tab-width:",
            "print-width:",
            "log-level:",
            "loglevel:",
            "end-of-line:",
            "prose-wrap:",
            "trailing-comma:",
            "arrow-parens:",
            "quote-props:",
            "stdin-filepath:",
            "cache-location:",
            "cache-strategy:",
            "ignore-unknown",
            "cache",
            "no-config",
            "single-quote",
            "use-tabs",
            "no-semi",
        ],
    )
    .needs(&["w", "write"])
    .changes_below(&[]),
    row(
        &["biome"],
        "",
        &["write", "fix", "apply", "apply-unsafe", "unsafe", "config-path:", "since:", "staged", "changed"],
    )
    .verbs(&["check", "format", "lint"])
    .needs(&["write", "fix", "apply", "apply-unsafe"])
    .changes_below(&[]),
    row(
        &["dprint"],
        "c:",
        &["config:", "plugins:", "excludes:", "log-level:", "stdin:", "incremental?", "staged"],
    )
    .verbs(&["fmt"])
    .unless(&["stdin"])
    .changes_below(&[]),
    row(
        &["eslint", "stylelint", "tslint", "standard"],
        "c:f:o:",
        &[
            "fix",
            "fix-dry-run",
            "fix-type:",
            "cache",
            "cache-file:",
            "cache-location:",
            "cache-strategy:",
            "config:",
            "custom-syntax:",
            "env:",
            "ext:",
            "format:",
            "formatter:",
            "global:",
            "ignore-path:",
            "ignore-pattern:",
            "max-warnings:",
            "no-eslintrc",
            "output-file:",
            "parser:",
            "parser-options:",
            "plugin:",
            "quiet",
            "resolve-plugins-relative-to:",
            "rule:",
            "rulesdir:",
        ],
    )
    .needs(&["fix"])
    .outputs(&["o", "output-file"])
    .changes_below(&[]),
    row(&["ktlint"], "FR:", &["format", "reporter:", "editorconfig:", "baseline:"])
        .needs(&["F", "format"])
        .changes_below(&["kt", "kts"]),
    row(
        &["rubocop"],
        "f:o:c:r:aAxlLDESdvV",
        &[
            "autocorrect",
            "auto-correct",
            "autocorrect-all",
            "auto-correct-all",
            "fix-layout",
            "config:",
            "except:",
            "fail-level:",
            "format:",
            "only:",
            "out:",
            "require:",
        ],
    )
    .needs(&[
        "a",
        "A",
        "x",
        "autocorrect",
        "auto-correct",
        "autocorrect-all",
        "auto-correct-all",
        "fix-layout",
    ])
    .outputs(&["o", "out"])
    .changes_below(&["rb", "rake"]),
    row(&["swiftlint"], "", &["fix", "autocorrect", "config:", "reporter:", "path:", "strict", "quiet"])
        .words(&["lint"])
        .needs(&["fix", "autocorrect"])
        .changes_below(&["swift"]),
    row(
        &["rustfmt"],
        "lqv",
        &[
            "check",
            "emit:",
            "edition:",
            "style-edition:",
            "config:",
            "config-path:",
            "print-config:",
            "backup",
        ],
    )
    .unless(&["check", "emit", "print-config"])
    .changes(All),
    row(
        &["black"],
        "c:l:t:W:qvCSx",
        &[
            "check",
            "code:",
            "config:",
            "diff",
            "exclude:",
            "extend-exclude:",
            "force-exclude:",
            "include:",
            "line-length:",
            "preview",
            "quiet",
            "required-version:",
            "skip-string-normalization",
            "stdin-filename:",
            "target-version:",
            "unstable",
            "verbose",
            "workers:",
        ],
    )
    .unless(&["check", "diff", "c", "code"])
    .changes_below(&["py", "pyi"]),
    row(
        &["isort"],
        "l:w:m:p:o:s:t:f:b:a:j:cdqvn",
        &[
            "check",
            "check-only",
            "diff",
            "df",
            "stdout",
            "atomic",
            "jobs:",
            "known-first-party:",
            "known-third-party:",
            "line-length:",
            "multi-line:",
            "profile:",
            "quiet",
            "settings-file:",
            "settings-path:",
            "skip:",
            "src:",
        ],
    )
    .unless(&["c", "check", "check-only", "d", "diff", "df", "stdout"])
    .changes_below(&["py", "pyi"]),
    row(
        &["gofmt", "goimports", "gofumpt"],
        "-",
        &["w", "l", "d", "s", "e", "v", "extra", "r:", "local:", "lang:", "modpath:"],
    )
    .needs(&["w"])
    .changes_below(&["go"]),
    row(
        &["shfmt"],
        "-",
        &[
            "w",
            "write",
            "l",
            "list",
            "d",
            "diff",
            "s",
            "simplify",
            "i:",
            "indent:",
            "ln:",
            "language-dialect:",
            "p",
            "posix",
            "ci",
            "bn",
            "sr",
            "kp",
            "fn",
            "mn",
            "filename:",
        ],
    )
    .needs(&["w", "write"])
    .changes_below(&[]),
    row(
        &["clang-format"],
        "-",
        &[
            "i",
            "n",
            "dry-run",
            "style:",
            "fallback-style:",
            "assume-filename:",
            "files:",
            "lines:",
            "offset:",
            "length:",
            "cursor:",
            "sort-includes",
            "verbose",
            "Werror",
        ],
    )
    .needs(&["i"])
    .unless(&["n", "dry-run"])
    .changes(All),
    row(
        &["autopep8", "yapf", "autoflake"],
        "cde:ij:pqrv",
        &[
            "in-place",
            "aggressive",
            "check",
            "check-diff",
            "diff",
            "exclude:",
            "exclude-files:",
            "ignore:",
            "imports:",
            "indent-size:",
            "jobs:",
            "max-line-length:",
            "parallel",
            "recursive",
            "remove-all-unused-imports",
            "remove-unused-variables",
            "select:",
            "style:",
            "verbose",
        ],
    )
    .needs(IN_PLACE)
    .unless(&["c", "check", "check-diff", "d", "diff"])
    .changes_below(&["py", "pyi"]),
    // Their options are words of their own: `-nostdlib` is no `-o`.
    row(
        &[
            "gcc", "cc", "g++", "c++", "clang", "clang++", "ld", "as", "rustc", "go", "protoc", "swiftc",
            "ghc", "dot", "tsc", "esbuild", "bison", "flex", "strip",
        ],
        "-o:I:L:l:D:",
        &["output:", "out:", "outfile:", "outFile:"],
    )
    .outputs(&["o", "output", "out", "outfile", "outFile"]),
    row(&["pandoc"], "o:f:t:r:w:H:B:A:T:c:M:V:d:F:L:s", &["output:"]).outputs(&["o", "output"]),
    row(
        &["openssl", "gpg", "gpg2", "age", "iconv"],
        "-",
        &["out:", "o:", "output:", "in:", "keyout:", "f:", "t:", "from-code:", "to-code:"],
    )
    .outputs(&["out", "o", "output", "keyout"]),
    row(&["objcopy"], "I:O:B:j:R:K:N:L:G:W:F:SgpxX", &["input-target:", "output-target:"]).writes(Last),
    row(
        &["xxd"],
        "-c:g:l:n:o:s:",
        &["r", "p", "ps", "plain", "revert", "i", "u", "b", "e", "a", "cols:", "groupsize:", "len:", "seek:"],
    )
    .writes(Second),
    row(
        &["script"],
        "c:E:I:O:B:T:m:o:aefqrktF",
        &["command:", "log-out:", "log-io:", "log-in:", "log-timing:", "append", "flush", "quiet", "return"],
    )
    .writes(First)
    .outputs(&["O", "log-out", "B", "log-io", "T", "log-timing"]),
    row(&["ed", "red"], "p:Gslvr", &["prompt:"]).writes(First),
    row(
        &["ex", "vi", "vim", "nvim", "emacs", "nano", "pico", "micro", "joe"],
        "c:l:u:S:T:i:bdeEnNoOpRsvZ",
        &["cmd:", "eval:", "load:", "execute:", "batch", "headless", "noplugin", "clean"],
    )
    .unless(&["R"])
    .with_commands()
    .writes(All),
    row(
        &["rename", "prename", "file-rename"],
        "e:adfinosuvx",
        &["expr:", "dry-run", "just-print", "no-act", "nono", "force", "verbose", "no-overwrite"],
    )
    .unless(&["n", "dry-run", "just-print", "no-act", "nono"])
    .changes_if_there(AfterFirst)
    .or_by(&["e", "expr"]),
    row(
        &["setfacl", "setfattr"],
        "m:x:M:X:n:v:bdkLnPR",
        &["modify:", "remove:", "name:", "value:", "restore:", "set:", "set-file:", "recursive", "test"],
    )
    .unless(&["test"])
    .changes(All),
];
