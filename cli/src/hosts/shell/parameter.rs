//! The values of `$NAME` and `${NAME…}`: variables that were set before, and the operators on them.

use super::{state::Shell, value::Value};
use shuck_ast::{
    BourneParameterExpansion as Bourne, ParameterExpansion, ParameterExpansionSyntax, ParameterOp, Pattern,
    PatternPart, VarRef, Word, WordPart,
};

/// Longer texts are not searched for patterns.
const MAX_SEARCHED: usize = 4_096;

/// The values of a variable by its name. A variable that was not set here may have any value.
pub(super) fn named(shell: &Shell, name: &str) -> Vec<Value> {
    if matches!(name, "@" | "*") {
        let arguments = shell.scope.arguments.as_ref().clone();
        return if arguments.is_empty() { vec![Value::any()] } else { arguments };
    }
    if let Ok(number) = name.parse::<usize>()
        && number > 0
        && let Some(argument) = shell.scope.arguments.get(number - 1)
    {
        return vec![argument.clone()];
    }
    shell.scope.get(name).filter(|values| !values.is_empty()).cloned().unwrap_or_else(|| vec![Value::any()])
}

/// The name under which a variable or an element of an array is stored.
pub(super) fn key(shell: &mut Shell, reference: &VarRef, source: &str) -> String {
    let name = reference.name.as_str();
    let Some(subscript) = reference.subscript.as_deref() else { return name.to_owned() };
    if subscript.is_array_selector() {
        return format!("{name}[@]");
    }
    if let Some(word) = &subscript.word_ast {
        shell.walk_inside(word, source);
    }
    match subscript.syntax_text(source).trim_matches(['"', '\'']) {
        "0" if !shell.scope.variables.contains_key(&format!("{name}[0]")) => name.to_owned(),
        index if shell.scope.variables.contains_key(&format!("{name}[{index}]")) => {
            format!("{name}[{index}]")
        }
        _ => format!("{name}[@]"),
    }
}

fn referred(shell: &mut Shell, reference: &VarRef, source: &str) -> Vec<Value> {
    let key = key(shell, reference, source);
    named(shell, &key)
}

/// The values of `${…}`.
pub(super) fn of_expansion(shell: &mut Shell, expansion: &ParameterExpansion, source: &str) -> Vec<Value> {
    let ParameterExpansionSyntax::Bourne(form) = &expansion.syntax else { return vec![Value::any()] };
    match form {
        Bourne::Access { reference } => referred(shell, reference, source),
        Bourne::Operation { reference, operator, operand_word_ast, .. } => {
            operated(shell, reference, operator, operand_word_ast.as_deref(), source)
        }
        Bourne::Indirect { reference, .. } => indirect(shell, reference, source),
        Bourne::Slice { reference, offset_word_ast, length_word_ast, .. } => {
            sliced(shell, reference, offset_word_ast, length_word_ast.as_deref(), source)
        }
        Bourne::Transformation { reference, operator } => transformed(shell, reference, *operator, source),
        Bourne::Length { .. } | Bourne::Indices { .. } | Bourne::PrefixMatch { .. } => vec![Value::any()],
    }
}

/// The values of `${…}` in the parser's older form.
pub(super) fn of_part(shell: &mut Shell, part: &WordPart, source: &str) -> Vec<Value> {
    match part {
        WordPart::Parameter(expansion) => of_expansion(shell, expansion, source),
        WordPart::ParameterExpansion { reference, operator, operand_word_ast, .. } => {
            operated(shell, reference, operator, operand_word_ast.as_deref(), source)
        }
        WordPart::ArrayAccess(reference) => referred(shell, reference, source),
        WordPart::IndirectExpansion { reference, .. } => indirect(shell, reference, source),
        WordPart::Substring { reference, offset_word_ast, length_word_ast, .. }
        | WordPart::ArraySlice { reference, offset_word_ast, length_word_ast, .. } => {
            sliced(shell, reference, offset_word_ast, length_word_ast.as_deref(), source)
        }
        WordPart::Transformation { reference, operator } => transformed(shell, reference, *operator, source),
        _ => vec![Value::any()],
    }
}

fn indirect(shell: &mut Shell, reference: &VarRef, source: &str) -> Vec<Value> {
    let names = referred(shell, reference, source);
    let value = |name: &Value| name.known().map_or_else(|| vec![Value::any()], |name| named(shell, name));
    names.iter().flat_map(value).collect()
}

fn operated(
    shell: &mut Shell,
    reference: &VarRef,
    operator: &ParameterOp,
    operand: Option<&Word>,
    source: &str,
) -> Vec<Value> {
    let key = key(shell, reference, source);
    let is_set = shell.scope.get(&key).is_some();
    let values = named(shell, &key);
    let operand = operand.map_or_else(Vec::new, |word| shell.values(word, source));
    match operator {
        ParameterOp::UseDefault | ParameterOp::AssignDefault => {
            let mut both = operand;
            if matches!(operator, ParameterOp::AssignDefault) && !is_set {
                shell.scope.set(&key, both.clone());
            }
            // A variable that was set here is set for sure, but it may be empty.
            let is_empty = |value: &Value| value.known() == Some("");
            if is_set && !values.iter().any(|value| is_empty(value) || value.has_any()) {
                both.clear();
            }
            both.extend(values.into_iter().filter(|value| !is_empty(value)));
            both
        }
        ParameterOp::UseReplacement => {
            let mut both = operand;
            both.push(Value::default());
            both
        }
        ParameterOp::Error => values,
        ParameterOp::RemovePrefixShort { pattern } => cut(shell, values, pattern, source, Cut::ShortPrefix),
        ParameterOp::RemovePrefixLong { pattern } => cut(shell, values, pattern, source, Cut::LongPrefix),
        ParameterOp::RemoveSuffixShort { pattern } => cut(shell, values, pattern, source, Cut::ShortSuffix),
        ParameterOp::RemoveSuffixLong { pattern } => cut(shell, values, pattern, source, Cut::LongSuffix),
        ParameterOp::ReplaceFirst { pattern, replacement_word_ast, .. } => {
            replaced(shell, values, pattern, replacement_word_ast, source, 1)
        }
        ParameterOp::ReplaceAll { pattern, replacement_word_ast, .. } => {
            replaced(shell, values, pattern, replacement_word_ast, source, usize::MAX)
        }
        ParameterOp::UpperFirst => each(values, |text| first(text, char::to_ascii_uppercase)),
        ParameterOp::LowerFirst => each(values, |text| first(text, char::to_ascii_lowercase)),
        ParameterOp::UpperAll => each(values, str::to_uppercase),
        ParameterOp::LowerAll => each(values, str::to_lowercase),
    }
}

fn first(text: &str, change: impl Fn(&char) -> char) -> String {
    text.char_indices().map(|(at, letter)| if at == 0 { change(&letter) } else { letter }).collect()
}

/// Changes each value that is known. The others become unknown as a whole.
fn each(values: Vec<Value>, change: impl Fn(&str) -> String) -> Vec<Value> {
    values
        .iter()
        .map(|value| value.known().map_or_else(Value::any, |text| Value::text(change(text))))
        .collect()
}

fn transformed(shell: &mut Shell, reference: &VarRef, operator: char, source: &str) -> Vec<Value> {
    let values = referred(shell, reference, source);
    match operator {
        'Q' | 'E' | 'P' => values,
        'U' => each(values, str::to_uppercase),
        'L' => each(values, str::to_lowercase),
        'u' => each(values, |text| first(text, char::to_ascii_uppercase)),
        _ => vec![Value::any()],
    }
}

fn sliced(
    shell: &mut Shell,
    reference: &VarRef,
    offset: &Word,
    length: Option<&Word>,
    source: &str,
) -> Vec<Value> {
    let values = referred(shell, reference, source);
    let mut number = |word: &Word| -> Option<i64> {
        let values = shell.values(word, source);
        values.first().and_then(Value::known)?.trim().parse().ok()
    };
    let from = number(offset);
    let length = length.map(&mut number);
    let slice = |text: &str| -> Option<String> {
        let letters: Vec<char> = text.chars().collect();
        let count = i64::try_from(letters.len()).ok()?;
        let from = from?;
        let from = if from < 0 { count + from } else { from };
        let end = match length {
            None => count,
            Some(length) => length.map(|length| if length < 0 { count + length } else { from + length })?,
        };
        let (from, end) = (usize::try_from(from).ok()?, usize::try_from(end.min(count)).ok()?);
        letters.get(from..end).map(|letters| letters.iter().collect())
    };
    let value = |value: &Value| value.known().and_then(slice).map_or_else(Value::any, Value::text);
    values.iter().map(value).collect()
}

/// A pattern in the syntax of the crate `glob`; `None` if it is not known.
fn as_glob(shell: &mut Shell, pattern: &Pattern, source: &str) -> Option<String> {
    let mut glob = String::new();
    for (part, span) in pattern.parts_with_spans() {
        match part {
            PatternPart::Literal(text) => {
                let text = text.as_str(source, span).replace('\\', "");
                glob.push_str(&glob::Pattern::escape(&text));
            }
            PatternPart::AnyString => glob.push('*'),
            PatternPart::AnyChar => glob.push('?'),
            PatternPart::CharClass(text) => glob.push_str(&text.slice(source).replace("[^", "[!")),
            PatternPart::Group { .. } => return None,
            PatternPart::Word(word) => {
                let values = shell.values(word, source);
                let [value] = values.as_slice() else { return None };
                glob.push_str(&glob::Pattern::escape(value.known()?));
            }
        }
    }
    Some(glob)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    ShortPrefix,
    LongPrefix,
    ShortSuffix,
    LongSuffix,
}

fn cut(shell: &mut Shell, values: Vec<Value>, pattern: &Pattern, source: &str, cut: Cut) -> Vec<Value> {
    let glob =
        as_glob(shell, pattern, source).and_then(|glob| glob::Pattern::new(&glob.replace("**", "*")).ok());
    let Some(glob) = glob else { return vec![Value::any(); values.len().min(1)] };
    let shorter = |value: &Value| {
        let Some(text) = value.known().filter(|text| text.len() <= MAX_SEARCHED) else { return Value::any() };
        let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        if matches!(cut, Cut::LongPrefix | Cut::ShortSuffix) {
            places.reverse();
        }
        let is_prefix = matches!(cut, Cut::ShortPrefix | Cut::LongPrefix);
        let at =
            places.into_iter().find(|at| glob.matches(if is_prefix { &text[..*at] } else { &text[*at..] }));
        Value::text(match at {
            Some(at) if is_prefix => &text[at..],
            Some(at) => &text[..at],
            None => text,
        })
    };
    let letters: usize = values.iter().map(Value::len).sum();
    if shell.budget.letters(letters.saturating_mul(8)) {
        values.iter().map(shorter).collect()
    } else {
        Vec::new()
    }
}

/// Replaces a plain text by another one. A pattern makes the value unknown.
fn replaced(
    shell: &mut Shell,
    values: Vec<Value>,
    pattern: &Pattern,
    replacement: &Word,
    source: &str,
    times: usize,
) -> Vec<Value> {
    let glob = as_glob(shell, pattern, source);
    let searched = glob.filter(|glob| !glob.contains(['*', '?', '[']) && !glob.is_empty());
    let replacements = shell.values(replacement, source);
    let replacement = match replacements.as_slice() {
        [] => Some(String::new()),
        [only] => only.known().map(str::to_owned),
        _ => None,
    };
    let (Some(searched), Some(replacement)) = (searched, replacement) else { return vec![Value::any()] };
    let is_short = |text: &str| shell.budget.letters(text.len() * (1 + replacement.len()));
    let mut is_short = is_short;
    let mut changed = Vec::new();
    for value in &values {
        changed.push(match value.known() {
            Some(text) if text.len() <= MAX_SEARCHED && is_short(text) => {
                Value::text(text.replacen(&searched, &replacement, times))
            }
            _ => Value::any(),
        });
    }
    changed
}
