//! The output of a command, as far as its words show it, for the reader of the output: the next command of a pipeline,
//! `$(…)`, `<(…)`.

use super::{
    find, git,
    input::Input,
    options::Spec,
    scope::MAX_VALUES,
    state::Shell,
    value::{Part, Value},
};
use shuck_ast::{BinaryOp, Command, CompoundCommand, RedirectKind, Stmt, StmtSeq};

impl Shell {
    /// The output of these commands.
    pub(super) fn printed(&mut self, sequence: &StmtSeq, source: &str) -> Input {
        let scope = self.scope.clone();
        let mut whole = Value::default();
        let input = match sequence.as_slice() {
            [only] => self.printed_by(only, source),
            several => {
                let mut is_known = true;
                for statement in several {
                    match self.printed_by(statement, source) {
                        Input::Text(text) => whole.extend(&text),
                        _ => is_known = false,
                    }
                }
                if is_known { Input::Text(whole) } else { Input::Unknown }
            }
        };
        self.scope = scope;
        input
    }

    /// The output of a statement.
    pub(super) fn printed_by(&mut self, statement: &Stmt, source: &str) -> Input {
        let is_elsewhere = |kind| {
            matches!(
                kind,
                RedirectKind::Output
                    | RedirectKind::Append
                    | RedirectKind::Clobber
                    | RedirectKind::OutputBoth
            )
        };
        let mut redirects = statement.redirects.iter();
        if redirects.any(|redirect| is_elsewhere(redirect.kind) && redirect.fd.unwrap_or(1) == 1) {
            return Input::Unknown;
        }
        let outer = self.redirected(&statement.redirects, source);
        let printed = match &statement.command {
            Command::Simple(simple) if simple.assignments.is_empty() => {
                let mut words = self.fields(&simple.name, source);
                let is_asked =
                    words.first().and_then(Value::known).is_some_and(|name| PRINTING.contains(&name));
                if is_asked {
                    simple.args.iter().for_each(|word| words.extend(self.fields(word, source)));
                    let name = words.remove(0).written();
                    self.printed_by_program(&name, &words)
                } else {
                    Input::Unknown
                }
            }
            Command::Binary(binary) if matches!(binary.op, BinaryOp::Pipe | BinaryOp::PipeAll) => {
                let outer = self.input.clone();
                self.input = self.printed_by(&binary.left, source);
                let printed = self.printed_by(&binary.right, source);
                self.input = outer;
                printed
            }
            Command::Binary(binary) if binary.op == BinaryOp::And => {
                // `cd DIR && pwd`
                let scope = self.scope.clone();
                if let Command::Simple(simple) = &binary.left.command {
                    let flow = self.simple(&simple.name, &simple.args, &[], source);
                    self.scope = flow.done;
                }
                let printed = self.printed_by(&binary.right, source);
                self.scope = scope;
                printed
            }
            Command::Compound(CompoundCommand::BraceGroup(body) | CompoundCommand::Subshell(body)) => {
                self.printed(body, source)
            }
            _ => Input::Unknown,
        };
        if let Some(outer) = outer {
            self.input = outer;
        }
        printed
    }

    fn printed_by_program(&mut self, name: &str, words: &[Value]) -> Input {
        let options = words.iter().take_while(|word| word.head().starts_with('-')).count();
        let operands = &words[options..];
        let text = |value: Value| Input::Text(value);
        match name {
            "echo" => {
                let is_escaped = words[..options].iter().any(|word| word.head().contains('e'));
                text(lined(&Value::joined(operands), is_escaped))
            }
            "printf" => {
                operands.split_first().map_or(Input::Unknown, |(format, rest)| text(formatted(format, rest)))
            }
            "cat" | "tac" => match operands {
                [] => self.input.clone(),
                [only] => self.input_of(only),
                _ => Input::Unknown,
            },
            "sort" | "uniq" | "head" | "tail" | "shuf" | "tee" => match &self.input {
                names @ Input::Names(_) => names.clone(),
                _ => Input::Unknown,
            },
            "grep" | "egrep" | "rg" if operands.len() == 1 && options == 0 => match &self.input {
                names @ Input::Names(_) => names.clone(),
                _ => Input::Unknown,
            },
            "pwd" => self
                .scope
                .folder()
                .map_or(Input::Unknown, |folder| text(Value::text(folder.to_string_lossy()))),
            "mktemp" => text(temporary_path(words)),
            "dirname" => match operands.first().and_then(Value::known) {
                Some(path) => text(Value::text(
                    path.rsplit_once('/')
                        .map_or(".", |(above, _)| if above.is_empty() { "/" } else { above }),
                )),
                None => Input::Unknown,
            },
            "basename" => {
                match operands {
                    [path, rest @ ..] => {
                        let base = path.base();
                        let ending = rest.first().and_then(Value::known).unwrap_or_default();
                        text(base.known().map_or(base.clone(), |base| {
                            Value::text(base.strip_suffix(ending).unwrap_or(base))
                        }))
                    }
                    [] => Input::Unknown,
                }
            }
            "realpath" | "readlink" => operands.last().map_or(Input::Unknown, |path| text(path.clone())),
            "find" => Input::Names(find::listed(words)),
            "ls" => {
                let mut any = Value::default();
                any.push_glob("*");
                let below = |folder: &Value| folder.join(&any);
                Input::Names(if operands.is_empty() {
                    vec![any.clone()]
                } else {
                    operands.iter().map(below).collect()
                })
            }
            "grep" | "egrep" | "rg" | "ag" | "fd" | "fdfind" => self.searched(name, words),
            "git" => git::printed(self, words),
            _ => Input::Unknown,
        }
    }

    /// The files that a search lists.
    fn searched(&mut self, name: &str, words: &[Value]) -> Input {
        let is_list = |word: &Value| {
            let head = word.head();
            matches!(head, "--files-with-matches" | "--files" | "--files-without-match")
                || (head.starts_with('-') && !head.starts_with("--") && head.contains(['l', 'L']))
        };
        let is_listing = matches!(name, "fd" | "fdfind") || words.iter().any(is_list);
        if !is_listing {
            return Input::Unknown;
        }
        let operands = words.iter().filter(|word| !word.head().starts_with('-')).skip(1);
        let mut starts: Vec<Value> = operands.cloned().collect();
        if starts.is_empty() {
            starts.push(Value::text("."));
        }
        let below = |start: &Value| {
            let is_file =
                start.known().and_then(|path| self.resolve(path)).is_some_and(|path| path.is_file());
            if is_file { start.clone() } else { start.join(&Value::any()) }
        };
        Input::Names(starts.iter().map(below).collect())
    }
}

/// Programs whose output is known.
const PRINTING: [&str; 26] = [
    "echo", "printf", "cat", "tac", "sort", "uniq", "head", "tail", "shuf", "tee", "grep", "egrep", "rg",
    "ag", "fd", "fdfind", "pwd", "mktemp", "dirname", "basename", "realpath", "readlink", "find", "ls",
    "git", "gfind",
];

/// Folders of temporary files: a new file there is in no repository.
const OF_TEMPORARY_FILES: [&str; 3] = ["/tmp/", "/var/tmp/", "/dev/shm/"];

/// The path that `mktemp` prints: a new file or folder, which nobody holds.
fn temporary_path(words: &[Value]) -> Value {
    let parsed =
        Spec { short: "p:dqtu", long: &["tmpdir?", "suffix:", "directory", "quiet", "dry-run"] }.parse(words);
    let template = parsed.operands.first();
    let given = parsed.values(&["p", "tmpdir"]).next().cloned();
    let mut path = match (given, template) {
        (Some(folder), _) => folder,
        (None, Some(_)) if !parsed.has(&["t", "tmpdir"]) => Value::default(),
        _ => Value::text(std::env::temp_dir().to_string_lossy()),
    };
    if path.known().is_none_or(|folder| !folder.is_empty()) {
        path.push_text("/");
    }
    match template {
        // Its name is not known, but it is the name of no existing file.
        Some(template) if template.known().is_some() => {
            let template = template.known().unwrap_or_default();
            let end = template.trim_end_matches('X');
            path.push_text(end);
            if end.len() < template.len() {
                let is_elsewhere = OF_TEMPORARY_FILES.iter().any(|folder| path.head().starts_with(folder))
                    || path.head().starts_with(&*std::env::temp_dir().to_string_lossy());
                if is_elsewhere { path.push_text("made-by-mktemp") } else { path.push_any() }
            }
        }
        Some(template) => path.extend(template),
        None => path.push_text("made-by-mktemp"),
    }
    path
}

fn lined(value: &Value, is_escaped: bool) -> Value {
    let mut line = Value::default();
    for part in &value.parts {
        match part {
            Part::Text(text) if is_escaped => line.push_text(&unescaped(text)),
            part => line.extend(&Value::of(vec![part.clone()])),
        }
    }
    line.push_text("\n");
    line
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")
}

/// The text that printf makes of a format: each `%` and a letter stands for the next word.
pub(super) fn formatted(format: &Value, words: &[Value]) -> Value {
    let Some(format) = format.known() else { return Value::any() };
    let mut printed = Value::default();
    let mut words = words.iter().peekable();
    // The format is used again as long as there are words left.
    for _ in 0..MAX_VALUES {
        let mut letters = format.chars().peekable();
        let mut is_used = false;
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some('n') => printed.push_text("\n"),
                    Some('t') => printed.push_text("\t"),
                    Some(letter) => printed.push_text(&letter.to_string()),
                    None => {}
                },
                '%' if letters.peek() == Some(&'%') => {
                    letters.next();
                    printed.push_text("%");
                }
                '%' => {
                    while letters.next_if(|letter| "-+ #0123456789.".contains(*letter)).is_some() {}
                    let kind = letters.next();
                    is_used = true;
                    match (words.next(), kind) {
                        (Some(word), Some('s' | 'q' | 'b')) => printed.extend(word),
                        (Some(word), Some('d' | 'i' | 'u')) => printed.extend(word),
                        (Some(_), _) => printed.push_any(),
                        (None, _) => {}
                    }
                }
                letter => printed.push_text(&letter.to_string()),
            }
        }
        if !is_used || words.peek().is_none() {
            break;
        }
    }
    printed
}
