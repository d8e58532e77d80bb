//! A simple command: what a shell does itself, programs that start another one, and then what its program writes.

use super::{
    find, git,
    input::{self, Input},
    interpreters,
    options::Spec,
    programs,
    scope::Flow,
    special,
    value::Value,
    walk::Shell,
};
use shuck_ast::{Assignment, Word};
use std::rc::Rc;

/// Programs that start another one: their options, and how many words stand in front of it.
const WRAPPERS: &[(&[&str], Spec, usize)] = &[
    (&["env"], Spec { short: "u:C:S:i0v", long: &["unset:", "chdir:", "split-string:", "block-signal?"] }, 0),
    (&["sudo", "doas"], Spec { short: "u:g:h:p:C:D:R:T:U:", long: &["user:", "group:", "chdir:"] }, 0),
    (
        &["nohup", "setsid", "noglob", "nocorrect", "unbuffer", "catchsegv", "command", "builtin"],
        Spec { short: "", long: &[] },
        0,
    ),
    (&["time", "gtime"], Spec { short: "f:o:", long: &["format:", "output:"] }, 0),
    (&["exec"], Spec { short: "a:cl", long: &[] }, 0),
    (&["nice"], Spec { short: "n:", long: &["adjustment:"] }, 0),
    (&["ionice", "chrt", "taskset"], Spec { short: "c:n:", long: &["class:", "classdata:"] }, 0),
    (&["timeout", "gtimeout"], Spec { short: "s:k:", long: &["signal:", "kill-after:"] }, 1),
    (&["stdbuf", "gstdbuf"], Spec { short: "i:o:e:", long: &["input:", "output:", "error:"] }, 0),
    (&["flock"], Spec { short: "w:E:", long: &["wait:", "timeout:"] }, 1),
    (&["strace", "ltrace", "valgrind"], Spec { short: "o:e:p:s:E:u:", long: &["output:"] }, 0),
    (
        &["busybox", "toybox", "npx", "bunx", "pnpx", "uvx", "chronic", "watch", "caffeinate"],
        Spec { short: "n:p:", long: &["interval:", "package:"] },
        0,
    ),
];

/// Programs that start another one after a word of their own.
const STARTERS: &[(&str, &[&str])] = &[
    ("nexus", &["exec"]),
    ("uv", &["run"]),
    ("poetry", &["run"]),
    ("pipenv", &["run"]),
    ("bundle", &["exec"]),
    ("pnpm", &["exec", "dlx"]),
    ("npm", &["exec"]),
    ("yarn", &["exec", "dlx"]),
    ("mise", &["exec", "x"]),
    ("direnv", &["exec"]),
];

const XARGS: Spec = Spec {
    short: "I:n:P:L:d:a:s:E:i::l::e::",
    long: &["replace?", "max-args:", "max-procs:", "max-lines?", "delimiter:", "arg-file:", "max-chars:"],
};

/// Variables whose value another program runs as a command.
const RUN_BY_OTHERS: [&str; 7] =
    ["BASH_ENV", "ENV", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "EDITOR", "VISUAL", "PROMPT_COMMAND"];

/// What a shell does itself, besides what starts another command.
const BUILTINS: [&str; 21] = [
    "cd",
    "pushd",
    "popd",
    "eval",
    "source",
    ".",
    "trap",
    "read",
    "mapfile",
    "readarray",
    "printf",
    "set",
    "shift",
    "export",
    "alias",
    "unset",
    "local",
    "declare",
    "typeset",
    "readonly",
    "exit",
];

impl Shell {
    /// A command in words.
    pub(super) fn simple(
        &mut self,
        name: &Word,
        words: &[Word],
        assignments: &[Assignment],
        source: &str,
    ) -> Flow {
        if words.is_empty() && name.render_syntax(source).is_empty() {
            assignments.iter().for_each(|assignment| self.assign(assignment, source));
            return self.stays();
        }
        let before = self.scope.clone();
        assignments.iter().for_each(|assignment| self.assign(assignment, source));
        for assignment in assignments {
            let variable = assignment.target.name.as_str();
            if RUN_BY_OTHERS.contains(&variable) {
                for value in super::parameter::named(self, variable) {
                    let is_file = value
                        .known()
                        .is_some_and(|path| self.resolve(path).is_some_and(|path| path.is_file()));
                    if is_file {
                        interpreters::shell_script(self, &value, &[]);
                    } else {
                        self.inner(&value.as_script(), None);
                    }
                }
            }
        }
        // What stands in front is set for the command alone, which does not expand it.
        self.scope.variables = before.variables;
        let mut all = self.fields(name, source);
        let is_known = all.first().and_then(Value::known).is_some_and(|name| self.is_known(name));
        if !is_known {
            // Whatever a program that is not known finds by its words, it is not looked at.
            words.iter().for_each(|word| self.walk_inside(word, source));
            return self.stays();
        }
        words.iter().for_each(|word| all.extend(self.fields(word, source)));
        self.command_of(&all)
    }

    fn stays(&self) -> Flow {
        Flow { done: self.scope.clone(), failed: None }
    }

    fn is_known(&self, path: &str) -> bool {
        let name = base(path);
        self.scope.functions.contains_key(name)
            || BUILTINS.contains(&name)
            || matches!(name, "xargs" | "gxargs" | "parallel" | "find" | "gfind" | "git")
            || WRAPPERS.iter().any(|(names, ..)| names.contains(&name))
            || STARTERS.iter().any(|(starter, _)| *starter == name)
            || programs::is_known(name)
            || special::is_known(name)
            || interpreters::is_known(name)
            || interpreters::is_script(self, path)
    }

    /// A command whose words are known as far as that goes.
    pub(super) fn command_of(&mut self, words: &[Value]) -> Flow {
        let Some((first, rest)) = words.split_first() else { return self.stays() };
        let Some(path) = first.known().map(str::to_owned) else { return self.stays() };
        if !self.budget.letters(words.iter().map(Value::len).sum()) {
            return self.stays();
        }
        let name = base(&path);
        if let Some(body) = self.scope.functions.get(name).cloned() {
            return self.function(name, &body, rest);
        }
        if let Some((_, spec, skipped)) = WRAPPERS.iter().find(|(names, ..)| names.contains(&name)) {
            return self.wrapped(name, *spec, *skipped, rest);
        }
        if let Some((_, verbs)) = STARTERS.iter().find(|(starter, _)| *starter == name) {
            let at = rest.iter().position(|word| !word.head().starts_with('-'));
            let is_start = at.and_then(|at| rest[at].known()).is_some_and(|verb| verbs.contains(&verb));
            if let (Some(at), true) = (at, is_start) {
                let parsed = Spec::default().parse_front(&rest[at + 1..]);
                return self.command_of(&parsed.operands);
            }
            return self.stays();
        }
        match name {
            "cd" | "pushd" | "popd" => return self.goes(name, rest),
            "xargs" | "gxargs" => self.xargs(rest),
            "parallel" => self.parallel(rest),
            "find" | "gfind" => find::run(self, rest),
            "git" => git::run(self, rest),
            _ if BUILTINS.contains(&name) => self.builtin(name, rest),
            _ => {
                programs::run(self, name, rest);
                special::run(self, name, rest);
                interpreters::run(self, &path, rest);
            }
        }
        self.stays()
    }

    fn function(&mut self, name: &str, body: &str, words: &[Value]) -> Flow {
        Rc::make_mut(&mut self.scope.called).insert(name.to_owned());
        let arguments = std::mem::replace(&mut self.scope.arguments, Rc::new(words.to_vec()));
        // One that calls itself is not followed for ever: texts within texts are counted.
        self.run(body);
        self.scope.arguments = arguments;
        self.scope.is_over = false;
        self.stays()
    }

    fn wrapped(&mut self, name: &str, spec: Spec, skipped: usize, words: &[Value]) -> Flow {
        let parsed = spec.parse_front(words);
        let scope = self.scope.clone();
        if let Some(folder) = parsed.values(&["C", "D", "chdir"]).next() {
            let folder = folder.known().and_then(|folder| self.resolve(folder));
            self.scope.enter(folder);
        }
        if matches!(name, "time" | "gtime" | "strace" | "ltrace") {
            parsed.values(&["o", "output"]).for_each(|file| self.write(file));
        }
        let mut rest = parsed.operands.as_slice();
        let is_assignment =
            |word: &Value| word.head().contains('=') && matches!(name, "env" | "sudo" | "doas");
        while let Some((first, after)) = rest.split_first()
            && is_assignment(first)
        {
            rest = after;
        }
        let mut words: Vec<Value> = rest.get(skipped..).unwrap_or_default().to_vec();
        if let Some(text) = parsed.values(&["S", "split-string"]).next() {
            let split = text.known().and_then(shlex::split).unwrap_or_default();
            words = split.into_iter().map(Value::text).chain(words).collect();
        }
        let flow = match words.as_slice() {
            // `watch 'a | b'`, `flock FILE -c 'a'`: one word that is a command.
            [only]
                if only.known().is_some_and(|text| text.contains(' '))
                    && matches!(name, "watch" | "flock" | "chronic") =>
            {
                self.inner(&only.as_script(), None);
                self.stays()
            }
            words => self.command_of(words),
        };
        if name == "exec" && !words.is_empty() {
            let mut done = flow.done;
            done.is_over = true;
            return Flow { done, failed: None };
        }
        if parsed.has(&["C", "D", "chdir"]) {
            return Flow { done: scope, failed: None };
        }
        flow
    }

    fn goes(&mut self, name: &str, words: &[Value]) -> Flow {
        let failed = self.scope.clone();
        let target = words.iter().find(|word| !word.head().starts_with('-') || word.known() == Some("-"));
        let folder = match (name, target) {
            ("popd", _) => self.scope.pushed.pop().flatten(),
            (_, None) => std::env::home_dir(),
            (_, Some(target)) if target.known() == Some("-") => self.scope.before.clone(),
            (_, Some(target)) => target.known().and_then(|path| self.resolve(path)),
        };
        if name == "pushd" {
            let here = self.scope.folder().cloned();
            self.scope.pushed.push(here);
        }
        let through = folder.map(|folder| {
            let link = self.scope.links.iter().find(|(link, _)| folder.starts_with(link));
            link.and_then(|(link, target)| Some(target.join(folder.strip_prefix(link).ok()?)))
                .unwrap_or(folder)
        });
        let is_there = through.as_ref().is_some_and(|folder| folder.is_dir());
        self.scope.enter(through);
        Flow { done: self.scope.clone(), failed: (!is_there).then_some(failed) }
    }

    fn builtin(&mut self, name: &str, words: &[Value]) {
        match name {
            "eval" => self.run(&input::joined(words).as_script()),
            "source" | "." => {
                if let Some((file, rest)) = words.split_first() {
                    interpreters::sourced(self, file, rest);
                }
            }
            "trap" => {
                if let Some(command) = words.first().filter(|word| !word.head().starts_with('-')) {
                    self.inner(&command.as_script(), None);
                }
            }
            "alias" => {
                for word in words {
                    if let Some((name, text)) = word.known().and_then(|text| text.split_once('=')) {
                        Rc::make_mut(&mut self.scope.functions)
                            .insert(name.to_owned(), format!("{text} \"$@\""));
                    }
                }
            }
            "read" => self.read(words),
            "mapfile" | "readarray" => {
                let parsed = Spec { short: "C:c:d:n:O:s:u:t", long: &[] }.parse(words);
                parsed.values(&["C"]).for_each(|command| self.inner(&command.as_script(), None));
                let lines = self.input.names();
                let array = parsed.operands.first().and_then(Value::known).unwrap_or("MAPFILE").to_owned();
                self.scope.set(&format!("{array}[@]"), lines.clone());
                self.scope.set(&array, lines);
            }
            "printf" => {
                if let [option, name, format, rest @ ..] = words
                    && option.known() == Some("-v")
                    && let Some(name) = name.known()
                {
                    self.scope.set(name, vec![input::formatted(format, rest)]);
                }
            }
            "set" => {
                let at = words.iter().position(|word| word.known() == Some("--"));
                let first = words.iter().position(|word| !word.head().starts_with(['-', '+']));
                if let Some(from) = at.map(|at| at + 1).or(first) {
                    self.scope.arguments = Rc::new(words[from..].to_vec());
                }
            }
            "shift" => {
                let by =
                    words.first().and_then(Value::known).and_then(|by| by.parse().ok()).unwrap_or(1_usize);
                let arguments = Rc::make_mut(&mut self.scope.arguments);
                arguments.drain(..by.min(arguments.len()));
            }
            "export" | "local" | "declare" | "typeset" | "readonly" => {
                for word in words {
                    let name = word.head().split_once('=').map(|(name, _)| name.to_owned());
                    if let Some(name) = name
                        && let Some(value) = word.strip_prefix(&format!("{name}="))
                    {
                        self.scope.set(&name, vec![value]);
                    }
                }
            }
            _ => {}
        }
    }

    /// `read NAME`: a line of what there is to read.
    fn read(&mut self, words: &[Value]) {
        let parsed = Spec { short: "a:d:i:n:N:p:t:u:rse", long: &[] }.parse(words);
        let values = match (&self.input, parsed.operands.as_slice()) {
            (Input::Text(text), [_]) => {
                let lines = text.known().map(|text| text.lines().map(Value::text).collect());
                lines.unwrap_or_else(|| vec![Value::any()])
            }
            (input @ (Input::Names(_) | Input::File(_)), [_]) => input.names(),
            _ => vec![Value::any()],
        };
        for name in parsed.operands.iter().chain(parsed.values(&["a"])) {
            if let Some(name) = name.known() {
                self.scope.set(name, values.clone());
            }
        }
    }

    /// A command with words that it reads.
    fn xargs(&mut self, words: &[Value]) {
        let parsed = XARGS.parse_front(words);
        let listed = parsed.values(&["a", "arg-file"]).next().map(|file| self.input_of(file).names());
        let names = listed.unwrap_or_else(|| self.input.names());
        let place = parsed.values(&["I", "i", "replace"]).next().and_then(Value::known).map(str::to_owned);
        let place = place.or_else(|| parsed.has(&["I", "i", "replace"]).then(|| "{}".to_owned()));
        let scope = self.scope.clone();
        let input = std::mem::take(&mut self.input);
        match place {
            Some(place) => {
                for name in &names {
                    let command: Vec<Value> =
                        parsed.operands.iter().map(|word| put(word, &place, name)).collect();
                    drop(self.command_of(&command));
                    self.scope = scope.clone();
                }
            }
            None => {
                let command: Vec<Value> = parsed.operands.iter().chain(&names).cloned().collect();
                drop(self.command_of(&command));
            }
        }
        self.scope = scope;
        self.input = input;
    }

    /// `parallel COMMAND ::: WORDS`
    fn parallel(&mut self, words: &[Value]) {
        let at = words.iter().position(|word| word.head().starts_with(":::")).unwrap_or(words.len());
        let parsed = Spec { short: "j:P:n:N:I:a:", long: &["jobs:"] }.parse_front(&words[..at]);
        let names: Vec<Value> = match words.get(at + 1..) {
            Some(names) => names.to_vec(),
            None => self.input.names(),
        };
        let command = input::joined(&parsed.operands);
        let has_place = command.written().contains("{}");
        for name in names {
            let command =
                if has_place { put(&command, "{}", &name) } else { input::joined(&[command.clone(), name]) };
            self.inner(&command.as_script(), None);
        }
    }
}

/// A word with a name in each place for it.
pub(super) fn put(word: &Value, place: &str, name: &Value) -> Value {
    let mut whole = Value::default();
    for part in &word.parts {
        match part {
            super::value::Part::Text(text) if text.contains(place) => {
                for (at, piece) in text.split(place).enumerate() {
                    if at > 0 {
                        whole.extend(name);
                    }
                    whole.push_text(piece);
                }
            }
            part => whole.extend(&Value::of(vec![part.clone()])),
        }
    }
    whole
}

/// The name of a program without its folder.
pub(super) fn base(word: &str) -> &str {
    match word.rsplit('/').next() {
        Some("") | None => word,
        Some(name) => name,
    }
}
