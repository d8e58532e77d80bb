//! Notes what is written: a file by its name where that is known, else all files that it could be.

use super::{
    value::{Value, escaped},
    walk::Shell,
};
use crate::repository::normalized;
use std::path::{Path, PathBuf};

/// The pattern of all files below a folder.
pub(super) const EVERYTHING: &str = "**";

impl Shell {
    /// A file that the command writes.
    pub(super) fn write(&mut self, file: &Value) {
        let Some(path) = file.known() else { return self.write_any(file) };
        if file.is_unfound || path.is_empty() || path.contains('\0') {
            return;
        }
        for (at, folder) in self.scope.folders.clone().iter().enumerate() {
            match resolved(folder.as_deref(), path) {
                Some(found) => self.note(found, at == 0),
                None => self.writes.somewhere(format!("**/{}", escaped(relative(path)))),
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
    fn write_any(&mut self, file: &Value) {
        if file.is_unknown() || self.is_script {
            return;
        }
        let (fixed, pattern) = file.as_pattern();
        if fixed.is_empty() && pattern.starts_with("**/") {
            return self.writes.somewhere(pattern);
        }
        for folder in self.scope.folders.clone() {
            match resolved(folder.as_deref(), if fixed.is_empty() { "." } else { &fixed }) {
                Some(below) => self.writes.anywhere(below, pattern.clone()),
                None => self.writes.somewhere(format!("**/{}{pattern}", escaped(relative(&fixed)))),
            }
            if fixed.starts_with('/') {
                return;
            }
        }
    }

    /// A folder below which it may write any file that matches the pattern.
    pub(super) fn anywhere(&mut self, folder: &Value, pattern: &str) {
        match folder.known() {
            Some(path) => {
                for folder in self.scope.folders.clone() {
                    match resolved(folder.as_deref(), if path.is_empty() { "." } else { path }) {
                        Some(folder) if !self.is_script => self.writes.anywhere(folder, pattern.to_owned()),
                        _ => {}
                    }
                    if path.starts_with('/') {
                        return;
                    }
                }
            }
            None => self.write_any(&folder.join(&Value::of(vec![super::value::Part::Any]))),
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
        let is_folder = path.known().and_then(|path| self.resolve(path)).is_some_and(|path| path.is_dir());
        if is_folder { self.anywhere(path, EVERYTHING) } else { self.write(path) }
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
