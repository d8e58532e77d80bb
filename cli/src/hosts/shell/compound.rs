//! Compound commands: branches, loops, groups. Nobody knows which branch the shell takes, so its state afterwards
//! merges those of all branches.

use super::{parameter, scope::Scope, state::Shell, value::Value};
use shuck_ast::{CompoundCommand, ConditionalExpr, PatternPart, StmtSeq};

impl Shell {
    pub(super) fn compound(&mut self, compound: &CompoundCommand, source: &str) {
        match compound {
            CompoundCommand::If(found) => {
                self.sequence(&found.condition, source);
                let mut otherwise = self.scope.clone();
                self.sequence(&found.then_branch, source);
                let mut ends = vec![std::mem::take(&mut self.scope)];
                for (condition, body) in &found.elif_branches {
                    self.scope = otherwise;
                    self.sequence(condition, source);
                    otherwise = self.scope.clone();
                    self.sequence(body, source);
                    ends.push(std::mem::take(&mut self.scope));
                }
                self.scope = otherwise;
                found.else_branch.iter().for_each(|body| self.sequence(body, source));
                ends.push(std::mem::take(&mut self.scope));
                self.scope = joined(ends);
            }
            CompoundCommand::For(found) => {
                let mut values = Vec::new();
                match &found.words {
                    Some(words) => words.iter().for_each(|word| values.extend(self.fields(word, source))),
                    None => values = parameter::named(self, "@"),
                }
                for target in &found.targets {
                    let name = target.name.as_ref().map(|name| name.as_str().to_owned());
                    name.iter().for_each(|name| self.scope.set(name, values.clone()));
                }
                self.repeated(&[], &found.body, source);
            }
            CompoundCommand::Foreach(found) => {
                let values: Vec<Value> =
                    found.words.iter().flat_map(|word| self.fields(word, source)).collect();
                self.scope.set(found.variable.as_str(), values);
                self.repeated(&[], &found.body, source);
            }
            CompoundCommand::Select(found) => {
                let values: Vec<Value> =
                    found.words.iter().flat_map(|word| self.fields(word, source)).collect();
                self.scope.set(found.variable.as_str(), values);
                self.repeated(&[], &found.body, source);
            }
            CompoundCommand::Repeat(found) => {
                self.walk_inside(&found.count, source);
                self.repeated(&[], &found.body, source);
            }
            CompoundCommand::ArithmeticFor(found) => self.repeated(&[], &found.body, source),
            CompoundCommand::While(found) => self.repeated(&[&found.condition], &found.body, source),
            CompoundCommand::Until(found) => self.repeated(&[&found.condition], &found.body, source),
            CompoundCommand::Case(found) => {
                self.walk_inside(&found.word, source);
                let before = self.scope.clone();
                let mut ends = Vec::new();
                for item in &found.cases {
                    self.scope = before.clone();
                    self.sequence(&item.body, source);
                    ends.push(std::mem::take(&mut self.scope));
                }
                ends.push(before);
                self.scope = joined(ends);
            }
            CompoundCommand::Subshell(body) => self.subshell(body, source),
            CompoundCommand::BraceGroup(body) => self.sequence(body, source),
            CompoundCommand::Always(found) => {
                self.sequence(&found.body, source);
                self.sequence(&found.always_body, source);
            }
            CompoundCommand::Time(found) => {
                if let Some(command) = &found.command {
                    let flow = self.statement(command, source);
                    self.scope = flow.either();
                }
            }
            CompoundCommand::Coproc(found) => {
                let scope = self.scope.clone();
                drop(self.statement(&found.body, source));
                self.scope = scope;
            }
            CompoundCommand::Conditional(found) => self.condition(&found.expression, source),
            CompoundCommand::Arithmetic(found) => {
                // Substitutions within it are walked through as text.
                let span = found.expr_span.map(|span| span.slice(source)).unwrap_or_default();
                if span.contains("$(") || span.contains('`') {
                    self.inner(&format!(": \"{span}\""), None);
                }
            }
        }
    }

    /// A loop. Its body may see its own changes at the next turn, and it may not run at all.
    fn repeated(&mut self, condition: &[&StmtSeq], body: &StmtSeq, source: &str) {
        condition.iter().for_each(|condition| self.sequence(condition, source));
        let before = self.scope.clone();
        self.sequence(body, source);
        self.scope.is_over = false;
        self.scope.or(before);
    }

    fn condition(&mut self, expression: &ConditionalExpr, source: &str) {
        match expression {
            ConditionalExpr::Binary(found) => {
                self.condition(&found.left, source);
                self.condition(&found.right, source);
            }
            ConditionalExpr::Unary(found) => self.condition(&found.expr, source),
            ConditionalExpr::Parenthesized(found) => self.condition(&found.expr, source),
            ConditionalExpr::Word(word) | ConditionalExpr::Regex(word) => self.walk_inside(word, source),
            ConditionalExpr::Pattern(pattern) => {
                for (part, _) in pattern.parts_with_spans() {
                    if let PatternPart::Word(word) = part {
                        self.walk_inside(word, source);
                    }
                }
            }
            ConditionalExpr::VarRef(_) => {}
        }
    }
}

/// The merged state of all branches.
fn joined(scopes: Vec<Scope>) -> Scope {
    let mut scopes = scopes.into_iter();
    let mut first = scopes.next().unwrap_or_default();
    scopes.for_each(|scope| first.or(scope));
    first
}
