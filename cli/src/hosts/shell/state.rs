//! The shell that goes through a command: its scope, what it has written so far, and what it reads. The other modules
//! add what it does.

use super::{budget::Budget, input::Input, paths::resolved, scope::Scope, value::Value, writes::Writes};
use std::path::{Path, PathBuf};

/// A shell that goes through a command.
#[derive(Default)]
pub(super) struct Shell {
    pub(super) scope: Scope,
    pub(super) writes: Writes,
    pub(super) budget: Budget,
    /// The input of a command without a redirection of its own.
    pub(super) input: Input,
    /// The output of process substitutions, by the number of `/dev/fd/…`.
    pub(super) descriptors: Vec<Input>,
    /// Whether a script is read. Nobody knows which branch it takes, so its files are checked and never claimed.
    pub(super) is_script: bool,
    /// How many texts within texts are being read.
    pub(super) depth: usize,
}

/// The number of the first descriptor of a process substitution, as in bash.
pub(super) const FIRST_DESCRIPTOR: usize = 63;

impl Shell {
    pub(super) fn in_folder(folder: &Path) -> Self {
        let mut shell = Self::default();
        shell.scope.folders = vec![Some(folder.to_owned())];
        shell.scope.set("PWD", vec![Value::text(folder.to_string_lossy())]);
        if let Some(home) = std::env::home_dir() {
            shell.scope.set("HOME", vec![Value::text(home.to_string_lossy())]);
        }
        shell.scope.set("TMPDIR", vec![Value::text(std::env::temp_dir().to_string_lossy())]);
        shell
    }

    /// The content of a file as input.
    pub(super) fn input_of(&self, file: &Value) -> Input {
        let Some(path) = file.known() else { return Input::Unknown };
        let number = path.strip_prefix("/dev/fd/").and_then(|number| number.parse::<usize>().ok());
        match number.and_then(|number| self.descriptors.get(number.checked_sub(FIRST_DESCRIPTOR)?)) {
            Some(input) => input.clone(),
            None => self.resolve(path).map_or(Input::Unknown, Input::File),
        }
    }

    /// A path as an absolute one, in the likeliest folder; `None` if that is not known.
    pub(super) fn resolve(&self, path: &str) -> Option<PathBuf> {
        resolved(self.scope.folder().map(PathBuf::as_path), path)
    }
}
