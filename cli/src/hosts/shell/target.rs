//! Notes which files are written: a file by its name if that is known, else a pattern of all files that it could be.

use super::{
    paths::{relative, resolved},
    state::Shell,
    value::{Part, Value, escaped},
};
use crate::repository::normalized;
use std::path::{Path, PathBuf};

/// The pattern of all files below a folder.
pub(super) const EVERYTHING: &str = "**";

/// The name by which programs mean a stream instead of a file.
const STREAM: &str = "-";

/// The effect on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// It is written, and created if it is missing.
    Make,
    /// It is changed or removed: it has to exist.
    Change,
}

impl Shell {
    /// Notes a file that a program writes, and creates if it is missing.
    pub(super) fn write(&mut self, file: &Value) {
        if file.known() != Some(STREAM) {
            self.apply(Action::Make, file);
        }
    }

    /// Notes a file that a program changes or removes. If its name is not known, it is one of the existing files.
    pub(super) fn change(&mut self, file: &Value) {
        if file.known() != Some(STREAM) {
            self.apply(Action::Change, file);
        }
    }

    /// Notes a file that the shell itself opens for writing: for a redirection `-` is a name.
    pub(super) fn redirect(&mut self, file: &Value) {
        self.apply(Action::Make, file);
    }

    /// Notes a word that may be a written file or something else: it is checked and never claimed.
    pub(super) fn suspect(&mut self, word: &Value) {
        let Some(path) = word.known().filter(|path| *path != STREAM) else { return };
        for folder in self.scope.folders.clone() {
            if let Some(found) = resolved(folder.as_deref(), path).filter(|_| !word.is_unfound) {
                self.possible(&found);
            }
        }
    }

    fn apply(&mut self, action: Action, file: &Value) {
        let Some(path) = file.known() else { return self.act_on_any(action, file) };
        if file.is_unfound || path.is_empty() || path.contains('\0') {
            return;
        }
        for (at, folder) in self.scope.folders.clone().iter().enumerate() {
            match resolved(folder.as_deref(), path) {
                Some(found) => self.note(found, at == 0),
                None => self.unrooted(action, None, format!("**/{}", escaped(relative(path)))),
            }
            if path.starts_with('/') {
                return;
            }
        }
    }

    fn note(&mut self, path: PathBuf, is_likely: bool) {
        let through: Vec<PathBuf> = self
            .scope
            .links
            .iter()
            .filter_map(|(link, target)| Some(normalized(&target.join(path.strip_prefix(link).ok()?))))
            .collect();
        for path in std::iter::once(path).chain(through) {
            if self.is_script || !is_likely {
                self.possible(&path);
            } else if !self.writes.add_path(path) {
                self.budget.end();
            }
        }
    }

    /// Notes a file that may be written: it is checked and never claimed.
    fn possible(&mut self, path: &Path) {
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            self.writes.add_pattern(folder.to_owned(), escaped(&name.to_string_lossy()));
        }
    }

    /// Notes files of whose names only a part is known. Names in scripts do not count, since nobody knows whether a
    /// script reaches them, and neither do names of which nothing is known.
    fn act_on_any(&mut self, action: Action, file: &Value) {
        if file.is_unknown() || self.is_script {
            return;
        }
        let (fixed, pattern) = file.as_pattern();
        if fixed.is_empty() && pattern.starts_with("**/") {
            return self.unrooted(action, None, pattern);
        }
        for folder in self.scope.folders.clone() {
            match resolved(folder.as_deref(), if fixed.is_empty() { "." } else { &fixed }) {
                Some(below) if action == Action::Change || pattern.contains(EVERYTHING) => {
                    self.unrooted(action, Some(below), pattern.clone());
                }
                Some(folder) => self.writes.add_pattern(folder, pattern.clone()),
                None => self.unrooted(action, None, format!("**/{}{pattern}", escaped(relative(&fixed)))),
            }
            if fixed.starts_with('/') {
                return;
            }
        }
    }

    /// Notes files in an unknown folder.
    fn unrooted(&mut self, action: Action, below: Option<PathBuf>, pattern: String) {
        match action {
            Action::Make => self.writes.add_unrooted_new(below, pattern),
            Action::Change => self.writes.add_unrooted_existing(below, pattern),
        }
    }

    /// Notes that any file below a folder that matches the pattern may be written.
    pub(super) fn may_write(&mut self, folder: &Value, pattern: &str) {
        self.below(Action::Make, folder, pattern);
    }

    /// Notes that any existing file below a folder that matches the pattern may be changed.
    pub(super) fn change_below(&mut self, folder: &Value, pattern: &str) {
        self.below(Action::Change, folder, pattern);
    }

    fn below(&mut self, action: Action, folder: &Value, pattern: &str) {
        let Some(path) = folder.known() else {
            return self.act_on_any(action, &folder.join(&Value::of(vec![Part::Any])));
        };
        for folder in self.scope.folders.clone() {
            match resolved(folder.as_deref(), if path.is_empty() { "." } else { path }) {
                Some(folder) if !self.is_script && action == Action::Make => {
                    self.writes.add_pattern(folder, pattern.to_owned());
                }
                Some(folder) if !self.is_script => {
                    self.writes.add_unrooted_existing(Some(folder), pattern.to_owned());
                }
                _ => {}
            }
            if path.starts_with('/') {
                return;
            }
        }
    }

    /// Notes a folder whose uncommitted changes are discarded.
    pub(super) fn discard(&mut self, folder: &Value) {
        let Some(path) = folder.known() else { return };
        if let Some(folder) = self.resolve(if path.is_empty() { "." } else { path })
            && !self.writes.add_discard(folder)
        {
            self.budget.end();
        }
    }

    /// Notes a written file, or everything beneath it if it is a folder.
    pub(super) fn write_tree(&mut self, path: &Value) {
        if self.is_folder(path) { self.may_write(path, EVERYTHING) } else { self.write(path) }
    }

    /// Whether a path is known to be an existing folder.
    pub(super) fn is_folder(&self, path: &Value) -> bool {
        path.known().and_then(|path| self.resolve(path)).is_some_and(|path| path.is_dir())
    }
}
