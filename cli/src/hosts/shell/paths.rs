//! Paths as a shell takes them. It reads no folder.

use crate::repository::normalized;
use std::path::{Path, PathBuf};

/// A path as an absolute one; `None` if it is relative and the folder is not known.
pub(super) fn resolved(folder: Option<&Path>, path: &str) -> Option<PathBuf> {
    if path.is_empty() || path.contains('\0') {
        return None;
    }
    // These are other names of the same folders.
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

/// A path without its leading `/`, `./` and `../`.
pub(super) fn relative(path: &str) -> &str {
    let mut rest = path;
    while let Some(shorter) = ["/", "./", "../"].iter().find_map(|start| rest.strip_prefix(start)) {
        rest = shorter;
    }
    rest
}

/// The name of a program without its folder.
pub(super) fn program_name(word: &str) -> &str {
    match word.rsplit('/').next() {
        Some("") | None => word,
        Some(name) => name,
    }
}
