//! Programs that start another one: by a prefix, after a subcommand, or with words from their input.

use super::{options::Spec, scope::Flow, state::Shell, value::Value};

/// Programs in front of another one: their options, and the number of words before it.
const WRAPPERS: &[(&[&str], Spec, usize)] = &[
    (&["env"], Spec { short: "u:C:S:i0v", long: &["unset:", "chdir:", "split-string:", "block-signal?"] }, 0),
    (&["sudo", "doas"], Spec { short: "u:g:h:p:C:D:R:T:U:", long: &["user:", "group:", "chdir:"] }, 0),
    (
        &[
            "nohup",
            "setsid",
            "noglob",
            "nocorrect",
            "unbuffer",
            "catchsegv",
            "command",
            "builtin",
            "fakeroot",
            "dbus-run-session",
            "pkexec",
        ],
        Spec { short: "", long: &[] },
        0,
    ),
    (&["time", "gtime"], Spec { short: "f:o:", long: &["format:", "output:"] }, 0),
    (&["exec"], Spec { short: "a:cl", long: &[] }, 0),
    (&["nice"], Spec { short: "n:", long: &["adjustment:"] }, 0),
    (&["ionice", "chrt", "taskset"], Spec { short: "c:n:", long: &["class:", "classdata:"] }, 0),
    (&["timeout", "gtimeout"], Spec { short: "s:k:", long: &["signal:", "kill-after:"] }, 1),
    (&["stdbuf", "gstdbuf"], Spec { short: "i:o:e:", long: &["input:", "output:", "error:"] }, 0),
    (
        &["xvfb-run"],
        Spec { short: "e:f:n:p:s:w:al", long: &["server-args:", "error-file:", "server-num:"] },
        0,
    ),
    (
        &["systemd-run"],
        Spec { short: "p:u:H:M:E:", long: &["property:", "unit:", "setenv:", "working-directory:"] },
        0,
    ),
    (&["runuser"], Spec { short: "u:g:G:", long: &["user:", "group:", "supp-group:"] }, 0),
    (
        &["unshare"],
        Spec { short: "S:G:R:w:", long: &["propagation:", "root:", "wd:", "setuid:", "setgid:"] },
        0,
    ),
    (&["flock"], Spec { short: "w:E:", long: &["wait:", "timeout:"] }, 1),
    (&["strace", "ltrace", "valgrind"], Spec { short: "o:e:p:s:E:u:", long: &["output:"] }, 0),
    (
        &["busybox", "toybox", "npx", "bunx", "pnpx", "uvx", "chronic", "watch", "caffeinate"],
        Spec { short: "n:p:", long: &["interval:", "package:"] },
        0,
    ),
];

/// The position of the other command behind the subcommand.
#[derive(Clone, Copy)]
enum Start {
    /// The first word that is not an option, after this many other such words.
    After(usize),
    /// The words after `--`, or the text after `-c`.
    Dashes,
    /// The words after one of these options.
    Option(&'static [&'static str]),
}

/// Programs that start another one after a subcommand.
const STARTERS: &[(&[&str], &[&str], Start)] = &[
    (&["nexus", "bundle", "asdf", "rbenv", "pyenv", "nodenv", "fnm"], &["exec"], Start::After(0)),
    (
        &["uv", "poetry", "pipenv", "pdm", "rye", "pixi", "hatch", "volta", "devbox"],
        &["run"],
        Start::After(0),
    ),
    (&["conda", "mamba", "micromamba", "dotenvx", "op", "doppler", "infisical"], &["run"], Start::After(0)),
    (&["pnpm", "yarn"], &["exec", "dlx"], Start::After(0)),
    (&["npm"], &["exec", "x"], Start::After(0)),
    (&["perf"], &["stat", "record"], Start::After(0)),
    (&["direnv", "nvm"], &["exec"], Start::After(1)),
    (&["rustup"], &["run"], Start::After(1)),
    (&["mise", "rtx"], &["exec", "x"], Start::Dashes),
    (&["aws-vault", "chamber"], &["exec"], Start::Dashes),
    (&["flox"], &["activate"], Start::Dashes),
    (&["guix"], &["shell"], Start::Dashes),
    (&["nix"], &["develop", "shell"], Start::Option(&["-c", "--command"])),
];

/// Options with a value between the subcommand and the command.
const BETWEEN: Spec = Spec {
    short: "n:p:c:",
    long: &[
        "command:",
        "directory:",
        "env-file:",
        "extra:",
        "group:",
        "name:",
        "node:",
        "package:",
        "prefix:",
        "project:",
        "python:",
        "using:",
        "with:",
        "with-requirements:",
    ],
};

const XARGS: Spec = Spec {
    short: "I:n:P:L:d:a:s:E:i::l::e::",
    long: &["replace?", "max-args:", "max-procs:", "max-lines?", "delimiter:", "arg-file:", "max-chars:"],
};

/// Whether the program starts another one.
pub(super) fn is_known(name: &str) -> bool {
    WRAPPERS.iter().any(|(names, ..)| names.contains(&name))
        || STARTERS.iter().any(|(names, ..)| names.contains(&name))
        || name == "nix-shell"
}

impl Shell {
    /// Goes through the command that such a program starts; `None` if it is no such program.
    pub(super) fn started(&mut self, name: &str, words: &[Value]) -> Option<Flow> {
        if let Some((_, spec, skipped)) = WRAPPERS.iter().find(|(names, ..)| names.contains(&name)) {
            return Some(self.wrapped(name, *spec, *skipped, words));
        }
        if name == "nix-shell" {
            let text =
                Spec { short: "p:A:I:E:", long: &["run:", "command:", "packages:", "attr:"] }.parse(words);
            text.values(&["run", "command"]).for_each(|text| self.inner(&text.as_script(), None));
            return Some(self.stays());
        }
        let (_, verbs, start) = STARTERS.iter().find(|(names, ..)| names.contains(&name))?;
        let at = words.iter().position(|word| !word.head().starts_with('-'));
        let rest = at.filter(|at| words[*at].known().is_some_and(|verb| verbs.contains(&verb)));
        let Some(rest) = rest.map(|at| &words[at + 1..]) else { return Some(self.stays()) };
        let behind = |options: &[&str]| {
            rest.iter().position(|word| word.known().is_some_and(|word| options.contains(&word)))
        };
        let command = match *start {
            Start::After(skipped) => {
                let parsed = BETWEEN.parse_front(rest);
                let mut command = parsed.operands.get(skipped..).unwrap_or_default();
                if let Some((first, after)) = command.split_first()
                    && skipped > 0
                    && first.known() == Some("--")
                {
                    command = after;
                }
                command.to_vec()
            }
            Start::Dashes => match behind(&["--"]) {
                Some(at) => rest[at + 1..].to_vec(),
                None => {
                    let parsed = BETWEEN.parse(rest);
                    let texts: Vec<Value> = parsed.values(&["c", "command"]).cloned().collect();
                    texts.iter().for_each(|text| self.inner(&text.as_script(), None));
                    return Some(self.stays());
                }
            },
            Start::Option(options) => behind(options).map_or_else(Vec::new, |at| rest[at + 1..].to_vec()),
        };
        Some(self.command_of(&command))
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

    /// `xargs COMMAND`: a command with words from the input.
    pub(super) fn xargs(&mut self, words: &[Value]) {
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
                        parsed.operands.iter().map(|word| word.with_each(&place, name)).collect();
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
    pub(super) fn parallel(&mut self, words: &[Value]) {
        let at = words.iter().position(|word| word.head().starts_with(":::")).unwrap_or(words.len());
        let parsed = Spec { short: "j:P:n:N:I:a:", long: &["jobs:"] }.parse_front(&words[..at]);
        let names: Vec<Value> = match words.get(at + 1..) {
            Some(names) => names.to_vec(),
            None => self.input.names(),
        };
        let command = Value::joined(&parsed.operands);
        let has_place = command.written().contains("{}");
        for name in names {
            let command = if has_place {
                command.with_each("{}", &name)
            } else {
                Value::joined(&[command.clone(), name])
            };
            self.inner(&command.as_script(), None);
        }
    }
}
