//! A simple command: the builtins of a shell, and the files that its program writes. Programs that start another one
//! are in [`super::starters`].

use super::{
    archives, fetched, find, git, input::Input, interpreters, options::Spec, paths::program_name,
    printed::formatted, programs, scope::Flow, special, starters, state::Shell, value::Value,
};
use shuck_ast::{Assignment, Word};
use std::rc::Rc;

/// Variables whose value another program runs as a command.
const RUN_BY_OTHERS: [&str; 7] =
    ["BASH_ENV", "ENV", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "EDITOR", "VISUAL", "PROMPT_COMMAND"];

/// Builtins of a shell, without those that start another command.
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
        // An assignment in front counts for the command alone, and the words are expanded without it.
        self.scope.variables = before.variables;
        let mut all = self.fields(name, source);
        let is_known = all.first().and_then(Value::known).is_some_and(|name| self.is_known(name));
        if !is_known {
            // The words of an unknown program are not expanded: nobody knows which of them are files.
            words.iter().for_each(|word| self.walk_inside(word, source));
            return self.stays();
        }
        words.iter().for_each(|word| all.extend(self.fields(word, source)));
        self.command_of(&all)
    }

    pub(super) fn stays(&self) -> Flow {
        Flow { done: self.scope.clone(), failed: None }
    }

    fn is_known(&self, path: &str) -> bool {
        let name = program_name(path);
        self.scope.functions.contains_key(name)
            || BUILTINS.contains(&name)
            || matches!(name, "xargs" | "gxargs" | "parallel" | "find" | "gfind" | "git")
            || starters::is_known(name)
            || programs::is_known(name)
            || archives::is_known(name)
            || fetched::is_known(name)
            || special::is_known(name)
            || interpreters::is_known(name)
            || interpreters::is_script(self, path)
    }

    /// A command by its words, of which parts may be unknown.
    pub(super) fn command_of(&mut self, words: &[Value]) -> Flow {
        let Some((first, rest)) = words.split_first() else { return self.stays() };
        let Some(path) = first.known().map(str::to_owned) else { return self.stays() };
        if !self.budget.letters(words.iter().map(Value::len).sum()) {
            return self.stays();
        }
        let name = program_name(&path);
        if let Some(body) = self.scope.functions.get(name).cloned() {
            return self.function(name, &body, rest);
        }
        if let Some(flow) = self.started(name, rest) {
            return flow;
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
                archives::run(self, name, rest);
                fetched::run(self, name, rest);
                special::run(self, name, rest);
                interpreters::run(self, &path, rest);
            }
        }
        self.stays()
    }

    fn function(&mut self, name: &str, body: &str, words: &[Value]) -> Flow {
        Rc::make_mut(&mut self.scope.called).insert(name.to_owned());
        let arguments = std::mem::replace(&mut self.scope.arguments, Rc::new(words.to_vec()));
        // A function that calls itself ends at the bound of texts within texts.
        self.run(body);
        self.scope.arguments = arguments;
        self.scope.is_over = false;
        self.stays()
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
            "eval" => self.run(&Value::joined(words).as_script()),
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
                    self.scope.set(name, vec![formatted(format, rest)]);
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
            "unset" => self.unset(words),
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

    /// `unset NAME` makes a variable empty, `unset -f NAME` removes a function.
    fn unset(&mut self, words: &[Value]) {
        let parsed = Spec { short: "fvn", long: &[] }.parse(words);
        for name in parsed.operands.iter().filter_map(Value::known) {
            if parsed.has(&["f"]) {
                Rc::make_mut(&mut self.scope.functions).remove(name);
                continue;
            }
            let elements = format!("{name}[");
            Rc::make_mut(&mut self.scope.variables).retain(|known, _| !known.starts_with(&elements));
            self.scope.set(name, vec![Value::default()]);
        }
    }

    /// `read NAME` sets a variable to a line of the input.
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
}
