//! Goes through a command as a shell does, in order and into each branch, with the folder and the variables of each
//! part. It notes what redirections write. What simple commands write is found in `simple`.

use super::{
    input::Input,
    read::{self, Script},
    scope::Flow,
    state::{FIRST_DESCRIPTOR, Shell},
    value::Value,
};
use shuck_ast::{
    BinaryCommand, BinaryOp, BuiltinCommand, Command, Redirect, RedirectKind, RedirectTarget, Stmt, StmtSeq,
    Word,
};
use std::rc::Rc;

/// Nested texts that are followed: `eval`, `bash -c`, functions, scripts.
const MAX_DEPTH: usize = 8;

/// Letters that a branch costs, since its state is copied.
const LETTERS_OF_BRANCH: usize = 64;

impl Shell {
    /// Runs a text as if it were typed here.
    pub(super) fn run(&mut self, text: &str) {
        if self.depth == MAX_DEPTH {
            if !self.is_script {
                self.writes.unreadable.get_or_insert(read::TOO_DEEP);
            }
            return;
        }
        if !self.budget.letters(text.len()) {
            return;
        }
        self.depth += 1;
        let (script, why) = read::read(text);
        // Nobody knows whether a script reaches that line.
        if let Some(why) = why.filter(|_| !self.is_script) {
            self.writes.unreadable.get_or_insert(why);
        }
        if let Some(Script { text, file }) = script {
            self.sequence(&file.body, &text);
        }
        self.depth -= 1;
    }

    /// Runs a text in a subshell, with these arguments.
    pub(super) fn inner(&mut self, text: &str, arguments: Option<Vec<Value>>) {
        let scope = self.scope.clone();
        if let Some(arguments) = arguments {
            self.scope.arguments = Rc::new(arguments);
        }
        self.run(text);
        self.scope = scope;
    }

    /// Runs the functions that were not called: a part of the command that is not understood may call them.
    pub(super) fn run_uncalled(&mut self) {
        let scope = self.scope.clone();
        for (name, body) in scope.functions.iter() {
            if !self.scope.called.contains(name) {
                self.scope.arguments = Rc::default();
                self.run(body);
            }
        }
        self.scope = scope;
    }

    pub(super) fn sequence(&mut self, sequence: &StmtSeq, source: &str) {
        for statement in sequence.iter() {
            let flow = self.statement(statement, source);
            self.scope = flow.either();
        }
    }

    /// Runs statements in a subshell.
    pub(super) fn subshell(&mut self, sequence: &StmtSeq, source: &str) {
        let scope = self.scope.clone();
        self.sequence(sequence, source);
        self.scope = scope;
    }

    /// Goes through a statement. It returns the states after it, and the caller sets one of them.
    pub(super) fn statement(&mut self, statement: &Stmt, source: &str) -> Flow {
        if !self.budget.letters(LETTERS_OF_BRANCH) {
            return Flow { done: self.scope.clone(), failed: None };
        }
        let outer = self.redirected(&statement.redirects, source);
        let flow = self.command(&statement.command, source);
        if let Some(outer) = outer {
            self.input = outer;
        }
        match (statement.negated, flow) {
            (true, Flow { done, failed: Some(failed) }) => Flow { done: failed, failed: Some(done) },
            (_, flow) => flow,
        }
    }

    /// Notes what redirections write. Returns the input before, if they set another one.
    pub(super) fn redirected(&mut self, redirects: &[Redirect], source: &str) -> Option<Input> {
        let mut outer = None;
        for redirect in redirects {
            let input = match (&redirect.target, redirect.kind) {
                (RedirectTarget::Heredoc(document), _) => {
                    Some(Input::Text(self.document(&document.body, source)))
                }
                (RedirectTarget::Word(word), RedirectKind::HereString) => {
                    let mut value = self.values(word, source).into_iter().next().unwrap_or_else(Value::any);
                    value.push_text("\n");
                    Some(Input::Text(value))
                }
                (RedirectTarget::Word(word), RedirectKind::Input) => {
                    let values = self.fields(word, source);
                    Some(values.first().map_or(Input::Unknown, |value| self.input_of(value)))
                }
                (RedirectTarget::Word(word), RedirectKind::DupInput) => {
                    self.walk_inside(word, source);
                    None
                }
                (RedirectTarget::Word(word), kind) => {
                    let is_stream = |value: &Value| {
                        kind == RedirectKind::DupOutput && value.known().is_some_and(is_descriptor)
                    };
                    for value in self.fields(word, source) {
                        if !is_stream(&value) {
                            self.redirect(&value);
                        }
                    }
                    None
                }
            };
            if let Some(input) = input
                && redirect.fd.unwrap_or_default() == 0
            {
                let before = std::mem::replace(&mut self.input, input);
                outer.get_or_insert(before);
            }
        }
        outer
    }

    fn command(&mut self, command: &Command, source: &str) -> Flow {
        match command {
            Command::Binary(binary) => return self.binary(binary, source),
            Command::Simple(simple) => {
                return self.simple(&simple.name, &simple.args, &simple.assignments, source);
            }
            Command::Builtin(builtin) => {
                let (words, ends): (&[Word], bool) = match builtin {
                    BuiltinCommand::Break(found) => (&found.extra_args, false),
                    BuiltinCommand::Continue(found) => (&found.extra_args, false),
                    BuiltinCommand::Return(found) => (&found.extra_args, true),
                    BuiltinCommand::Exit(found) => (&found.extra_args, true),
                };
                words.iter().for_each(|word| self.walk_inside(word, source));
                let mut done = self.scope.clone();
                done.is_over = ends;
                return Flow { done, failed: None };
            }
            Command::Decl(declaration) => self.declare(declaration, source),
            Command::Function(function) => {
                let body = function.body.span.slice(source).to_owned();
                for name in function.static_names() {
                    Rc::make_mut(&mut self.scope.functions).insert(name.as_str().to_owned(), body.clone());
                }
            }
            Command::AnonymousFunction(function) => {
                let flow = self.statement(&function.body, source);
                self.scope = flow.either();
            }
            Command::Compound(compound) => self.compound(compound, source),
        }
        Flow { done: self.scope.clone(), failed: None }
    }

    /// `a && b || c`, from the left. Such a chain may be long, so its tree is walked without recursion.
    fn binary(&mut self, binary: &BinaryCommand, source: &str) -> Flow {
        let mut links = vec![(binary.op, &*binary.right)];
        let mut first = &*binary.left;
        while let Command::Binary(inner) = &first.command
            && !first.negated
            && first.redirects.is_empty()
        {
            links.push((inner.op, &inner.right));
            first = &inner.left;
        }
        links.reverse();
        if links.iter().any(|(op, _)| matches!(op, BinaryOp::Pipe | BinaryOp::PipeAll)) {
            return self.pipeline(first, &links, source);
        }
        let mut flow = self.statement(first, source);
        for (op, right) in links {
            let Flow { done, failed } = flow;
            let failed = failed.unwrap_or_else(|| done.clone());
            let is_and = op == BinaryOp::And;
            self.scope = if is_and { done.clone() } else { failed.clone() };
            let after = self.statement(right, source);
            flow = if is_and {
                let mut lost = after.failed.unwrap_or_else(|| failed.clone());
                lost.or(failed);
                Flow { done: after.done, failed: Some(lost) }
            } else {
                let mut kept = done;
                // A shell that has ended there does not go on.
                kept.or(after.done);
                Flow { done: kept, failed: after.failed }
            };
        }
        flow
    }

    /// Each command in a subshell, with the output of the one before as its input.
    fn pipeline(&mut self, first: &Stmt, links: &[(BinaryOp, &Stmt)], source: &str) -> Flow {
        let (scope, outer) = (self.scope.clone(), self.input.clone());
        let statements: Vec<&Stmt> =
            std::iter::once(first).chain(links.iter().map(|(_, right)| *right)).collect();
        for (at, statement) in statements.iter().enumerate() {
            let flow = self.statement(statement, source);
            drop(flow);
            self.scope = scope.clone();
            if at + 1 < statements.len() {
                self.input = self.printed_by(statement, source);
            }
        }
        self.input = outer;
        Flow { done: scope, failed: None }
    }

    /// The values of a command substitution, after its commands were walked through.
    pub(super) fn substituted(&mut self, body: &StmtSeq, source: &str) -> Vec<Value> {
        self.subshell(body, source);
        self.printed(body, source).values()
    }

    /// The path of a process substitution.
    pub(super) fn descriptor(&mut self, body: &StmtSeq, is_input: bool, source: &str) -> Value {
        self.subshell(body, source);
        let printed = if is_input { self.printed(body, source) } else { Input::Unknown };
        self.descriptors.push(printed);
        Value::text(format!("/dev/fd/{}", FIRST_DESCRIPTOR + self.descriptors.len() - 1))
    }
}

/// Whether it names a stream instead of a file: `2`, `-`, `2-`.
fn is_descriptor(text: &str) -> bool {
    text == "-"
        || (!text.is_empty() && text.trim_end_matches('-').chars().all(|letter| letter.is_ascii_digit()))
}
