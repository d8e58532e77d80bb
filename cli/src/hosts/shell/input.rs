//! The input of a command: its standard input, or a file.

use super::{scope::MAX_VALUES, value::Value};
use crate::confined::read_bounded;
use std::path::PathBuf;

/// Bytes of a file with a list of names that are read.
const MAX_LIST_BYTES: u64 = 64 << 10;

/// The input of a command.
#[derive(Clone, Debug, Default)]
pub(super) enum Input {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// This text, parts of which may be unknown.
    Text(Value),
    /// Names of files, one a line.
    Names(Vec<Value>),
    /// The content of a file.
    File(PathBuf),
}

impl Input {
    /// The values that it may have as a command substitution.
    pub(super) fn values(&self) -> Vec<Value> {
        match self {
            Self::Text(value) => vec![trimmed(value)],
            Self::Names(names) if !names.is_empty() => names.clone(),
            _ => vec![Value::any()],
        }
    }

    /// The names in it, for a program that reads them one by one. A name that is not known may be any.
    pub(super) fn names(&self) -> Vec<Value> {
        match self {
            Self::Text(value) => value.split(),
            Self::Names(names) => names.clone(),
            Self::File(path) => match read_bounded(path, MAX_LIST_BYTES) {
                Ok(text) => text.split_whitespace().take(MAX_VALUES).map(Value::text).collect(),
                Err(_) => vec![Value::any()],
            },
            Self::Unknown => vec![Value::any()],
        }
    }
}

fn trimmed(value: &Value) -> Value {
    match value.known() {
        Some(text) => Value::text(text.trim_end_matches('\n')),
        None => value.clone(),
    }
}
