//! Resolves links of paths beneath a folder. It opens no file, and refuses a link that leads out.

use super::dir::ConfinedDir;
use crate::error::Error;
use std::{
    collections::VecDeque,
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

/// Links of one path that are followed, as many as Linux follows: more of them form a circle.
const MAX_LINKS: usize = 40;

/// How symbolic links are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// A path with one is refused.
    Refused,
    /// One that stays in the folder is followed, others are refused.
    Within,
}

impl ConfinedDir {
    /// The path without the links that are followed.
    pub(crate) fn without_links(&self, path: &Path, links: Links) -> Result<PathBuf, Error> {
        match links {
            Links::Refused => Ok(path.to_owned()),
            Links::Within => self.resolve(path),
        }
    }

    /// The path without links. A part that does not exist yet is no link.
    ///
    /// # Errors
    /// When it leads out of the folder, or through a link into git's own folder, and when it cannot be read.
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
            // A link that leads out and in again is refused, too: after a move of the folder it would lead elsewhere.
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

    /// The path in the folder that an absolute target names. A relative target stays as it is.
    fn inner(&self, target: &Path) -> Option<PathBuf> {
        if target.is_relative() {
            return Some(target.to_owned());
        }
        let real = std::fs::canonicalize(self.root()).ok();
        let below = |root: &Path| target.strip_prefix(root).ok().map(Path::to_owned);
        below(self.root()).or_else(|| below(&real?))
    }
}

/// The parts of a relative path, including `..`; `None` if the path is absolute.
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

/// Whether a part is git's own folder, also on file systems that ignore case: git would run a hook that is written
/// there.
fn is_gits(part: Component<'_>) -> bool {
    part.as_os_str().eq_ignore_ascii_case(".git")
}
