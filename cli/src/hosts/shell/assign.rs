//! Sets variables: by assignments, arrays, declarations and references.

use super::{parameter, state::Shell, value::Value};
use shuck_ast::{ArrayElem, Assignment, AssignmentValue, DeclClause, DeclOperand};
use std::rc::Rc;

impl Shell {
    /// `declare NAME=value`, `local`, `export` and the like.
    pub(super) fn declare(&mut self, declaration: &DeclClause, source: &str) {
        let is_reference = declaration.operands.iter().any(
            |operand| matches!(operand, DeclOperand::Flag(word) if word.span.slice(source).contains('n')),
        );
        for operand in &declaration.operands {
            match operand {
                DeclOperand::Assignment(assignment) if is_reference => {
                    self.refer(assignment, source);
                }
                DeclOperand::Assignment(assignment) => self.assign(assignment, source),
                DeclOperand::Flag(word) | DeclOperand::Dynamic(word) => {
                    self.walk_inside(word, source);
                }
                DeclOperand::Name(_) => {}
            }
        }
    }

    /// `NAME=value`, `NAME+=value`, `NAME=(a b)`.
    pub(super) fn assign(&mut self, assignment: &Assignment, source: &str) {
        let name = assignment.target.name.as_str().to_owned();
        let name = match assignment.target.subscript.as_deref() {
            Some(subscript) => format!("{name}[{}]", subscript.syntax_text(source).trim_matches(['"', '\''])),
            None => name,
        };
        match &assignment.value {
            AssignmentValue::Scalar(word) => {
                let mut values = self.values(word, source);
                if assignment.append {
                    let before = parameter::named(self, &name);
                    let both = |first: &Value, second: &Value| {
                        let mut first = first.clone();
                        first.extend(second);
                        first
                    };
                    let added =
                        |first: &Value| values.iter().map(|second| both(first, second)).collect::<Vec<_>>();
                    let letters = before.iter().map(Value::len).sum::<usize>() * values.len().max(1);
                    let all = before.iter().flat_map(added).collect();
                    values = if self.budget.letters(letters) { all } else { vec![Value::any()] };
                }
                let (array, _) = name.split_once('[').unwrap_or((&name, ""));
                if array != name {
                    let all = format!("{array}[@]");
                    let mut known = self.scope.get(&all).cloned().unwrap_or_default();
                    known.extend(values.iter().cloned());
                    self.scope.set(&all, known);
                }
                self.scope.set(&name, values);
            }
            AssignmentValue::Compound(array) => {
                let mut all = Vec::new();
                for element in &array.elements {
                    let values = self.fields(&element.value().word, source);
                    let key = match element {
                        ArrayElem::Sequential(_) => all.len().to_string(),
                        ArrayElem::Keyed { key, .. } | ArrayElem::KeyedAppend { key, .. } => {
                            key.syntax_text(source).trim_matches(['"', '\'']).to_owned()
                        }
                    };
                    self.scope.set(&format!("{name}[{key}]"), values.clone());
                    all.extend(values);
                }
                self.scope.set(&name, all.first().cloned().into_iter().collect());
                self.scope.set(&format!("{name}[@]"), all);
            }
        }
    }

    /// `declare -n NAME=OTHER`
    fn refer(&mut self, assignment: &Assignment, source: &str) {
        let AssignmentValue::Scalar(word) = &assignment.value else { return };
        let values = self.values(word, source);
        if let Some(other) = values.first().and_then(Value::known) {
            let name = assignment.target.name.as_str().to_owned();
            Rc::make_mut(&mut self.scope.references).insert(name, other.to_owned());
        }
    }
}
