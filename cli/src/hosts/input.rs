//! Reads fields of a host's JSON. A field that is missing or has an unexpected type counts as none: hosts change, and a
//! hook must not stop their agents.

use super::{event::Tool, lenient, patch, shell::is_shell};
use crate::text::format::quoted;
use serde_json::Value;
use std::path::PathBuf;

/// An object that a host sent.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a Value);

impl<'a> Input<'a> {
    /// The first of these fields that is a text and not empty.
    pub(super) fn text(self, names: &[&str]) -> Option<&'a str> {
        names.iter().find_map(|name| self.0.get(name)?.as_str()).filter(|text| !text.is_empty())
    }

    /// The same as an owned text.
    pub(super) fn owned(self, names: &[&str]) -> Option<String> {
        self.text(names).map(str::to_owned)
    }

    /// The same as a path.
    pub(super) fn path(self, names: &[&str]) -> Option<PathBuf> {
        self.text(names).map(PathBuf::from)
    }

    /// Whether a field is true.
    pub(super) fn is_true(self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Whether a run that starts continues an earlier one.
    pub(super) fn is_continuation(self) -> bool {
        matches!(self.text(&["source"]), Some("clear" | "resume" | "fork"))
    }

    /// Whether a field is a number above zero.
    pub(super) fn is_above_zero(self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_u64).is_some_and(|number| number > 0)
    }

    /// The object in a field; null if the field is missing. Some hosts send it as a text of JSON.
    pub(super) fn inner(self, name: &str) -> Value {
        match self.0.get(name) {
            Some(Value::String(text)) => lenient::read(text.as_bytes()),
            Some(value) => value.clone(),
            None => Value::Null,
        }
    }

    /// The tool of an event in the form of Claude, which several hosts took over. The names of tools are those of all
    /// of these hosts, since some call the hooks of others.
    pub(super) fn tool(self) -> Tool {
        let Some(name) = self.text(&["tool_name"]) else { return Tool::nameless() };
        let arguments = self.inner("tool_input");
        let arguments = Input(&arguments);
        match name {
            "Edit" | "Write" | "MultiEdit" | "NotebookEdit" | "StrReplace" | "Delete" | "EditNotebook" => {
                arguments.edit(&["file_path", "notebook_path", "target_notebook", "path"])
            }
            "Bash" | "Shell" | "PowerShell" | "shell" | "local_shell" | "exec_command" => {
                arguments.shell(&["command", "cmd"], &["working_directory", "workdir"])
            }
            "apply_patch" | "ApplyPatch" => {
                let body = arguments.text(&["command", "patch", "input"]).unwrap_or_default();
                patch::paths(body).map_or(Tool::Unreadable("its patch names too many files"), Tool::edit)
            }
            _ => Tool::Other,
        }
    }

    /// A tool that writes the file in the first of these fields. It is unreadable if there is no name, or if a part of
    /// the name cannot be read.
    pub(super) fn edit(self, names: &[&str]) -> Tool {
        match self.path(names) {
            None => Tool::Unreadable("it names no file"),
            Some(path) => Tool::edit(vec![path]),
        }
    }

    /// A tool that runs the command in the first of these fields, in the folder of another one.
    pub(super) fn shell(self, names: &[&str], folder: &[&str]) -> Tool {
        match self.command(names) {
            None => Tool::Unreadable("it names no command"),
            Some(command) => Tool::Shell { command, folder: self.path(folder) },
        }
    }

    /// The first text in a list.
    pub(super) fn first_of(self, name: &str) -> Option<PathBuf> {
        self.0.get(name)?.as_array()?.first()?.as_str().map(PathBuf::from)
    }

    /// A command, which is a text or a list of words.
    pub(super) fn command(self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(words) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                match words.as_slice() {
                    // Other programs have an option of that name, too: `python3 -c`.
                    [shell, option, script]
                        if is_shell(shell) && option.starts_with('-') && option.ends_with('c') =>
                    {
                        Some((*script).to_owned())
                    }
                    words => Some(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")),
                }
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_given_to_a_shell_is_a_shells_text() {
        for (words, expected) in [
            (json!(["bash", "-lc", "echo x > a.rs"]), "echo x > a.rs"),
            (json!(["/bin/sh", "-c", "make"]), "make"),
            (json!(["python3", "-c", "open('a.rs', 'w')"]), r#"python3 -c "open('a.rs', 'w')""#),
            (json!(["gcc", "-c", "a.c"]), "gcc -c a.c"),
            (json!(["bash", "-c", "make", "x"]), "bash -c make x"),
        ] {
            let input = json!({ "command": words });
            let read = Input(&input).command(&["command"]);
            // The quotes may differ, but it is the same command.
            let plain = |text: &str| text.replace(['\'', '"', '\\'], "");
            assert_eq!(read.as_deref().map(plain), Some(plain(expected)), "{words}");
        }
    }
}
