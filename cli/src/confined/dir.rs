//! A folder, and the folders beneath it. Every folder on a path is opened from the one above it and none is a link, so
//! that a folder that is replaced meanwhile cannot lead out.

use crate::error::Error;
use cap_fs_ext::DirExt;
use cap_std::{ambient_authority, fs::Dir};
use std::{
    ffi::OsString,
    io,
    path::{Component, Path, PathBuf},
};

/// A folder beneath which files are opened.
#[derive(Debug)]
pub(crate) struct ConfinedDir {
    root: PathBuf,
    dir: Dir,
}

impl ConfinedDir {
    /// Opens this folder, to which links may lead.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(root, ambient_authority())?;
        Ok(Self { root: root.to_owned(), dir })
    }

    /// Opens this folder, and names it in an error.
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub(crate) fn of(root: &Path) -> Result<Self, Error> {
        Self::open(root).map_err(|error| Error::local(format!("cannot open {}: {error}", root.display())))
    }

    /// The folder that all paths are opened beneath.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder as it was opened.
    pub(super) const fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Opens the folder of a file. Returns it with the name of the file, or none if the folder is missing and not
    /// created.
    pub(super) fn parent(&self, path: &Path, is_made: bool) -> Result<Option<(Dir, OsString)>, Error> {
        let name = path.file_name().ok_or_else(|| self.leads_out(path, path))?.to_owned();
        let above = path.parent().unwrap_or(Path::new(""));
        let folder = self.descend(above, is_made.then_some(&mut Vec::new()))?;
        Ok(folder.map(|folder| (folder, name)))
    }

    /// Opens a folder from the root down. If there is a list, missing folders are created and added to it.
    pub(super) fn descend(
        &self,
        path: &Path,
        mut made: Option<&mut Vec<PathBuf>>,
    ) -> Result<Option<Dir>, Error> {
        let mut dir = self.dir.try_clone().map_err(|error| self.cannot("open", path, &error))?;
        let mut below = PathBuf::new();
        for part in path.components() {
            let name = match part {
                Component::Normal(name) => name,
                Component::CurDir => continue,
                _ => return Err(self.leads_out(path, path)),
            };
            below.push(name);
            let next = match dir.open_dir_nofollow(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let Some(made) = made.as_deref_mut() else { return Ok(None) };
                    match dir.create_dir(name) {
                        Ok(()) => made.push(below.clone()),
                        // Another command creates it at this moment.
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        Err(error) => return Err(self.cannot("make", &below, &error)),
                    }
                    dir.open_dir_nofollow(name)
                }
                other => other,
            };
            dir = match next {
                Ok(next) => next,
                Err(error) => {
                    return match self.link_at(&below)? {
                        Some(target) => Err(self.leads_out(&below, &target)),
                        // A path may lead through a file, beneath which there is nothing.
                        None if is_nothing(&error) && made.is_none() => Ok(None),
                        None => Err(self.cannot("open", &below, &error)),
                    };
                }
            };
        }
        Ok(Some(dir))
    }

    /// The error of an operation on a path.
    pub(super) fn cannot(&self, what: &str, path: &Path, error: &io::Error) -> Error {
        Error::local(format!("cannot {what} {}: {error}", self.root.join(path).display()))
    }

    /// The target of the link at this path, if it is a link.
    pub(super) fn link_at(&self, path: &Path) -> Result<Option<PathBuf>, Error> {
        match self.dir().symlink_metadata(path) {
            Ok(meta) if meta.is_symlink() => {}
            Ok(_) => return Ok(None),
            Err(error) if is_nothing(&error) => return Ok(None),
            Err(error) => return Err(self.cannot("look at", path, &error)),
        }
        self.dir().read_link_contents(path).map(Some).map_err(|error| self.cannot("look at", path, &error))
    }

    /// The error for a link that is refused, with its target.
    pub(super) fn leads_out(&self, path: &Path, target: &Path) -> Error {
        let name = path.display();
        let message = if path == target {
            format!("{name} is not in {}", self.root().display())
        } else {
            format!(
                "{name} leads to {}: what is written in {} is written there and nowhere else",
                target.display(),
                self.root().display()
            )
        };
        Error::local(message).hint(format!(
            "nothing was read or written behind it: put a file or a folder of its own in place of {name}"
        ))
    }
}

/// Whether the error says that the path does not exist. A path may lead through a file.
pub(super) fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
