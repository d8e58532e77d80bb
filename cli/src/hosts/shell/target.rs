//! Notes what is written: a file by its name where that is known, else all files that it could be.

use super::{
    value::{Part, Value, escaped},
    walk::Shell,
};
use crate::repository::normalized;
use std::path::{Path, PathBuf};

/// The pattern of all files below a folder.
pub(super) const EVERYTHING: &str = "**";

/// What programs take for a stream in place of a file.
const STREAM: &str = "-";

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// It is written, and made where it is missing.
    Make,
    /// It is changed or removed: it has to be there.
    Change,
}

impl Shell {
    /// A file that a program writes, and makes where it is missing.
    pub(super) fn write(&mut self, file: &Value) {
        if file.known() != Some(STREAM) {
            self.act(Act::Make, file);
        }
    }

    /// A file that a program changes or removes. Where its name is not known, it is one of those that are there.
    pub(super) fn change(&mut self, file: &Value) {
        if file.known() != Some(STREAM) {
            self.act(Act::Change, file);
        }
    }

    /// A file that the shell itself opens for writing: to a redirection `-` is a name.
    pub(super) fn redirect(&mut self, file: &Value) {
        self.act(Act::Make, file);
    }

    /// A word that may be a file which is written, or something else: asked about, and never taken.
    pub(super) fn suspect(&mut self, word: &Value) {
        let Some(path) = word.known().filter(|path| *path != STREAM) else { return };
        for folder in self.scope.folders.clone() {
            if let Some(found) = resolved(folder.as_deref(), path).filter(|_| !word.is_unfound) {
                self.possible(&found);
            }
        }
    }

    fn act(&mut self, act: Act, file: &Value) {
        let Some(path) = file.known() else { return self.act_on_any(act, file) };
        if file.is_unfound || path.is_empty() || path.contains('\0') {
            return;
        }
        for (at, folder) in self.scope.folders.clone().iter().enumerate() {
            match resolved(folder.as_deref(), path) {
                Some(found) => self.note(found, at == 0),
                None => self.unplaced(act, None, format!("**/{}", escaped(relative(path)))),
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
            } else if !self.writes.path(path) {
                self.budget.end();
            }
        }
    }

    /// A file that it may write: asked about, and never taken.
    fn possible(&mut self, path: &Path) {
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            self.writes.anywhere(folder.to_owned(), escaped(&name.to_string_lossy()));
        }
    }

    /// Files of whose names only a part is known. Of a script nobody knows whether it comes to that, and of a name of
    /// which nothing is known there is nothing to say.
    fn act_on_any(&mut self, act: Act, file: &Value) {
        if file.is_unknown() || self.is_script {
            return;
        }
        let (fixed, pattern) = file.as_pattern();
        if fixed.is_empty() && pattern.starts_with("**/") {
            return self.unplaced(act, None, pattern);
        }
        for folder in self.scope.folders.clone() {
            match resolved(folder.as_deref(), if fixed.is_empty() { "." } else { &fixed }) {
                Some(below) if act == Act::Change || pattern.contains(EVERYTHING) => {
                    self.unplaced(act, Some(below), pattern.clone());
                }
                Some(folder) => self.writes.anywhere(folder, pattern.clone()),
                None => self.unplaced(act, None, format!("**/{}{pattern}", escaped(relative(&fixed)))),
            }
            if fixed.starts_with('/') {
                return;
            }
        }
    }

    /// Files in a folder that is not known.
    fn unplaced(&mut self, act: Act, below: Option<PathBuf>, pattern: String) {
        match act {
            Act::Make => self.writes.somewhere(below, pattern),
            Act::Change => self.writes.existing(below, pattern),
        }
    }

    /// A folder below which it may write any file that matches the pattern.
    pub(super) fn anywhere(&mut self, folder: &Value, pattern: &str) {
        self.below(Act::Make, folder, pattern);
    }

    /// A folder below which it may change any file that is there and matches the pattern.
    pub(super) fn change_below(&mut self, folder: &Value, pattern: &str) {
        self.below(Act::Change, folder, pattern);
    }

    fn below(&mut self, act: Act, folder: &Value, pattern: &str) {
        let Some(path) = folder.known() else {
            return self.act_on_any(act, &folder.join(&Value::of(vec![Part::Any])));
        };
        for folder in self.scope.folders.clone() {
            match resolved(folder.as_deref(), if path.is_empty() { "." } else { path }) {
                Some(folder) if !self.is_script && act == Act::Make => {
                    self.writes.anywhere(folder, pattern.to_owned());
                }
                Some(folder) if !self.is_script => self.writes.existing(Some(folder), pattern.to_owned()),
                _ => {}
            }
            if path.starts_with('/') {
                return;
            }
        }
    }

    /// A folder below which the command throws away what is not committed.
    pub(super) fn discard(&mut self, folder: &Value) {
        let Some(path) = folder.known() else { return };
        if let Some(folder) = self.resolve(if path.is_empty() { "." } else { path })
            && !self.writes.discard(folder)
        {
            self.budget.end();
        }
    }

    /// A file, or all beneath it where it is a folder.
    pub(super) fn write_tree(&mut self, path: &Value) {
        if self.is_folder(path) { self.anywhere(path, EVERYTHING) } else { self.write(path) }
    }

    /// Whether it is known to be a folder that is there.
    pub(super) fn is_folder(&self, path: &Value) -> bool {
        path.known().and_then(|path| self.resolve(path)).is_some_and(|path| path.is_dir())
    }
}

/// A path as an absolute one; none while the folder is not known.
pub(super) fn resolved(folder: Option<&Path>, path: &str) -> Option<PathBuf> {
    if path.is_empty() || path.contains('\0') {
        return None;
    }
    // Other names of the same folders.
    let path = path.strip_prefix("/proc/self/root").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let path = match path.strip_prefix("/proc/self/cwd") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => relative(rest),
        _ => path,
    };
    let path = Path::new(if path.is_empty() { "." } else { path });
    if path.is_absolute() {
        return Some(normalized(path));
    }
    Some(normalized(&folder?.join(path)))
}

/// Without what a path begins with where it only says "here".
fn relative(path: &str) -> &str {
    let mut rest = path;
    while let Some(shorter) = ["/", "./", "../"].iter().find_map(|start| rest.strip_prefix(start)) {
        rest = shorter;
    }
    rest
}
