//! Programs in other languages, as text on the command line or fed to their interpreter. They are not understood: a file
//! that such a text names in quotes counts as written where the text also has words that write, unless the name stands
//! right where it is only read. So `open('a').read()` passes, and `open('a', 'w')` does not.

use super::walk::Shell;

/// Texts in quotes that are looked at, and the longest of them.
const MAX_LITERALS: usize = 512;
const MAX_LITERAL_BYTES: usize = 1_024;

/// A language, by its interpreters.
pub(super) struct Language {
    names: &'static [&'static str],
    /// Its options that take a value, as for getopt.
    pub(super) options: &'static str,
    /// Those whose value is a program; without any its first word is one.
    pub(super) inline: &'static [&'static str],
    /// Words of which a text that writes has at least one.
    writes: &'static [&'static str],
    /// What stands in front of the name of a file that is only read.
    reads: &'static [&'static str],
}

const LANGUAGES: &[Language] = &[
    Language {
        names: &["python", "python3", "python2", "pypy", "pypy3", "ipython"],
        options: "c:m:W:X:",
        inline: &["c"],
        writes: &[
            ".write",
            "write_text",
            "write_bytes",
            "writelines",
            "'w",
            "\"w",
            "'a'",
            "\"a\"",
            "'x",
            "\"x",
            "+'",
            "+\"",
            "+b",
            "O_WRONLY",
            "O_RDWR",
            "O_TRUNC",
            "remove",
            "unlink",
            "rename",
            "replace(",
            "rmtree",
            "rmdir",
            "shutil",
            "truncate",
            "symlink",
            "link(",
            "touch",
            "inplace",
            "extractall",
            "mmap",
            "dump(",
            "to_csv",
            "save(",
            "chmod",
        ],
        reads: &[
            "getsize(",
            "isfile(",
            "exists(",
            "isdir(",
            "listdir(",
            "stat(",
            "glob(",
            "print(",
            "import ",
            "from ",
            "read_csv(",
            "load(",
        ],
    },
    Language {
        names: &["node", "nodejs", "deno", "bun", "ts-node", "tsx"],
        options: "e:p:r:",
        inline: &["e", "p"],
        writes: &[
            "writeFile",
            "appendFile",
            "createWriteStream",
            "write(",
            "Bun.write",
            "unlink",
            "rename",
            "rm(",
            "rmSync",
            "rmdir",
            "copyFile",
            "cpSync",
            "truncate",
            "openSync",
            "open(",
            "symlink",
            "link",
            "writeTextFile",
            "remove(",
            "outputFile",
        ],
        reads: &[
            "readFileSync(",
            "readFile(",
            "require(",
            "createReadStream(",
            "existsSync(",
            "statSync(",
            "import(",
            "from ",
            "console.log(",
            "readTextFile(",
        ],
    },
    Language {
        names: &["perl"],
        options: "e:E:I:M:m:i::F:x::0::l::C:",
        inline: &["e", "E"],
        writes: &[
            "'>",
            "\">",
            "+<",
            "unlink",
            "rename",
            "truncate",
            "copy",
            "move",
            "O_WRONLY",
            "O_RDWR",
            "write_file",
            "spew",
            "symlink",
            "link",
            "rmtree",
        ],
        reads: &["'<',", "\"<\",", "require ", "do ", "print ", "-e ", "-f "],
    },
    Language {
        names: &["ruby"],
        options: "e:I:r:i::F:0::l::C:",
        inline: &["e"],
        writes: &[
            "write",
            "'w",
            "\"w",
            "'a'",
            "\"a\"",
            "+'",
            "+\"",
            "delete",
            "unlink",
            "rename",
            "truncate",
            "FileUtils",
            "symlink",
        ],
        reads: &["File.read(", "IO.read(", "readlines(", "foreach(", "exist?(", "require ", "puts ", "load "],
    },
    Language {
        names: &["php"],
        options: "r:B:R:E:d:f:",
        inline: &["r"],
        writes: &[
            "file_put_contents",
            "'w",
            "\"w",
            "'a'",
            "\"a\"",
            "'c",
            "\"c",
            "'x",
            "\"x",
            "+'",
            "+\"",
            "unlink",
            "rename",
            "copy",
            "touch",
            "truncate",
        ],
        reads: &["file_get_contents(", "file(", "include ", "require ", "echo ", "readfile("],
    },
    Language {
        names: &["lua", "luajit"],
        options: "e:l:",
        inline: &["e"],
        writes: &["\"w", "'w", "\"a", "'a", "+\"", "+'", "os.remove", "os.rename"],
        reads: &["io.lines(", "require ", "require(", "dofile(", "print("],
    },
    Language {
        names: &["awk", "gawk", "mawk", "nawk"],
        options: "f:v:F:i:",
        inline: &[],
        writes: &[">"],
        reads: &[],
    },
    Language {
        names: &["tclsh", "wish", "expect"],
        options: "c:",
        inline: &["c"],
        writes: &[" w", " a", " r+", "file delete", "file rename", "file copy"],
        reads: &["source "],
    },
    Language {
        names: &["Rscript", "julia", "osascript", "swift", "groovy", "elixir"],
        options: "e:E:",
        inline: &["e", "E"],
        writes: &["write", "\"w", "'w", "unlink", "rename", "remove", "delete", "rm("],
        reads: &["read", "source("],
    },
    Language {
        names: &["sqlite3"],
        options: "",
        inline: &["c"],
        writes: &[".output", ".once", ".save", ".backup", ".excel", ".log"],
        reads: &[".read "],
    },
];

/// What starts a shell's command in most of them.
const SYSTEM: &[&str] = &[
    "system",
    "subprocess",
    "popen",
    "exec",
    "spawn",
    "passthru",
    "Popen",
    "Open3",
    "%x",
    "qx",
    "| \"",
    "|\"",
    "getline",
];

/// The language of an interpreter.
pub(super) fn language(name: &str) -> Option<&'static Language> {
    // `python3.12`
    let plain = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let is_it = |language: &&Language| language.names.contains(&name) || language.names.contains(&plain);
    LANGUAGES.iter().find(is_it)
}

/// Notes the files that a text names where it also writes, and what shell commands in it write.
pub(super) fn look(shell: &mut Shell, language: &Language, text: &str, words: &[String]) {
    if !shell.budget.letters(text.len()) {
        return;
    }
    let is_writing = language.writes.iter().any(|word| text.contains(word));
    let is_starting = SYSTEM.iter().any(|word| text.contains(word));
    if !is_writing && !is_starting {
        return;
    }
    let is_awk = language.inline.is_empty();
    for (from, to) in literals(text) {
        let literal = &text[from + 1..to - 1];
        let (before, after) = (text[..from].trim_end(), text[to..].trim_start());
        if is_starting && literal.contains(' ') {
            let is_script = std::mem::replace(&mut shell.is_script, true);
            shell.inner(literal, None);
            shell.is_script = is_script;
        } else if is_writing && if is_awk { before.ends_with('>') } else { !is_read(language, before, after) }
        {
            name(shell, literal);
        }
    }
    if is_awk && is_writing {
        // `awk -v f=FILE '{ print > f }'`
        words.iter().filter_map(|word| word.split_once('=')).for_each(|(_, value)| name(shell, value));
    }
    if language.names.contains(&"tclsh") || language.names.contains(&"sqlite3") {
        text.split(|letter: char| letter.is_whitespace() || "[]{};".contains(letter))
            .for_each(|word| name(shell, word));
    }
}

/// Whether a name stands where a file is only read.
fn is_read(language: &Language, before: &str, after: &str) -> bool {
    let opens = ["open(", "fopen(", "File.open("].iter().any(|call| before.ends_with(call));
    if opens {
        let mode = after.strip_prefix(',').map(str::trim_start);
        return match mode {
            None => after.starts_with(')'),
            Some(mode) => {
                let is_mode =
                    ["'r", "\"r", "mode='r", "mode=\"r"].iter().find_map(|start| mode.strip_prefix(start));
                is_mode.is_some_and(|rest| !rest[..rest.find(['\'', '"']).unwrap_or(0)].contains('+'))
                    || mode.starts_with("encoding")
                    || mode.starts_with("errors")
            }
        };
    }
    let asks = [").read", ").exists", ").is_file", ").stat", ").iter"];
    language.reads.iter().any(|call| before.ends_with(call.trim_end()))
        || asks.iter().any(|call| after.starts_with(call))
}

/// The texts in quotes, with their quotes.
fn literals(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(char, usize)> = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (letter, open) {
            ('\\', _) => drop(letters.next()),
            ('\'' | '"' | '`', None) => open = Some((letter, at)),
            (letter, Some((quote, from))) if letter == quote => {
                open = None;
                if at - from <= MAX_LITERAL_BYTES && at > from + 1 {
                    found.push((from, at + 1));
                }
                if found.len() == MAX_LITERALS {
                    break;
                }
            }
            // An apostrophe in a comment ends with its line.
            ('\n', Some((quote, _))) if quote != '`' => open = None,
            _ => {}
        }
    }
    found
}

/// A name that looks like one of a file.
fn name(shell: &mut Shell, literal: &str) {
    let is_path = !literal.is_empty()
        && literal.len() <= MAX_LITERAL_BYTES
        && !literal.contains(|letter: char| {
            letter.is_whitespace() || letter.is_control() || "*<>|\"'`;(){}".contains(letter)
        });
    if !is_path {
        return;
    }
    for folder in shell.scope.folders.clone() {
        let Some(path) = super::target::resolved(folder.as_deref(), literal) else { continue };
        let is_around = folder.as_ref().is_some_and(|folder| folder.starts_with(&path));
        if !is_around && (literal.contains(['/', '.']) || path.exists()) {
            shell.writes.named(path);
        }
    }
}

/// What a program of sed's writes: `w FILE`, `s/a/b/w FILE`, and what `e` runs.
pub(super) fn sed(shell: &mut Shell, program: &str) {
    for line in program.lines().flat_map(|line| line.split('\n')) {
        for (at, _) in line.match_indices("w ") {
            let before = line[..at].chars().next_back();
            let is_command =
                before.is_none_or(|letter| !letter.is_alphabetic() || "gpIiMmed".contains(letter));
            let file = line[at + 2..].trim();
            if is_command && !file.is_empty() && !file.contains(char::is_whitespace) {
                shell.write(&super::value::Value::text(file));
            }
        }
        let address = |letter: char| letter.is_ascii_digit() || letter == '$';
        if let Some(command) = line.trim_start_matches(address).strip_prefix("e ") {
            shell.inner(command, None);
        }
    }
}
