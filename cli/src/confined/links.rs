//! Where a path leads beneath a folder. Opens no file, and decides nothing about a link that leads out but that it
//! is refused.

use super::dir::ConfinedDir;
use crate::error::Error;
use std::{
    collections::VecDeque,
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

/// Links of one path that are followed, as many as Linux follows: more are a circle.
const MAX_LINKS: usize = 40;

/// What is done about symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// A path with one is refused.
    Refused,
    /// One that stays in the folder is followed, others are refused.
    Within,
}

impl ConfinedDir {
    /// The path without links, as far as they are followed.
    pub(crate) fn without_links(&self, path: &Path, links: Links) -> Result<PathBuf, Error> {
        match links {
            Links::Refused => Ok(path.to_owned()),
            Links::Within => self.resolve(path),
        }
    }

    /// The path without links. What does not exist yet has none.
    ///
    /// # Errors
    /// When it leads out of the folder or, through a link, to what is git's own; and when it cannot be looked at.
    pub(crate) fn resolve(&self, path: &Path) -> Result<PathBuf, Error> {
        let mut pending: VecDeque<OsString> = parts(path).ok_or_else(|| self.leads_out(path, path))?.into();
        let mut resolved = PathBuf::new();
        let mut links = 0;
        while let Some(part) = pending.pop_front() {
            if part == ".." {
                if !resolved.pop() {
                    return Err(self.leads_out(path, path));
                }
                continue;
            }
            let next = resolved.join(&part);
            let Some(target) = self.link_at(&next)? else {
                resolved = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(self.leads_out(&next, &target));
            }
            let inner = self.inner(&target);
            if target.is_absolute() {
                resolved = PathBuf::new();
            }
            let inner = inner.and_then(|inner| parts(&inner));
            let inner = inner.ok_or_else(|| self.leads_out(&next, &target))?;
            // Also one that leads out and in again: who moves the folder would find something else there.
            let mut depth = resolved.components().count();
            for part in &inner {
                if part == ".." && depth == 0 {
                    return Err(self.leads_out(&next, &target));
                }
                depth = if part == ".." { depth - 1 } else { depth + 1 };
            }
            inner.into_iter().rev().for_each(|part| pending.push_front(part));
        }
        if links > 0 && resolved.components().any(|part| is_gits(part)) {
            return Err(self.leads_out(path, &resolved));
        }
        Ok(resolved)
    }

    /// What an absolute path is called in the folder; a relative one is as it is.
    fn inner(&self, target: &Path) -> Option<PathBuf> {
        if target.is_relative() {
            return Some(target.to_owned());
        }
        let real = std::fs::canonicalize(self.root()).ok();
        let below = |root: &Path| target.strip_prefix(root).ok().map(Path::to_owned);
        below(self.root()).or_else(|| below(&real?))
    }
}

/// The parts of a relative path, `..` among them; none of one that is no such path.
fn parts(path: &Path) -> Option<Vec<OsString>> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_owned()),
            Component::ParentDir => parts.push("..".into()),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts)
}

/// Whether git keeps its own there, on file systems that ignore case too: a hook that is written runs.
fn is_gits(part: Component<'_>) -> bool {
    part.as_os_str().eq_ignore_ascii_case(".git")
}
