//! The location of a settings file: a folder, and a path beneath it. In a repository, which others filled, no link may
//! lead out of it; in a person's own home folder links are followed.

use crate::{
    confined::{ConfinedDir, Links},
    error::Error,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder beneath which files are, and whether links may lead out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// A repository, or another folder: no link leads out of it.
    Repository(PathBuf),
    /// A person's own home folder, whose links are followed.
    Home(PathBuf),
}

impl Base {
    /// The location of a file, behind all links.
    ///
    /// # Errors
    /// When a link of a repository leads out of it.
    pub(super) fn locate(&self, path: &Path) -> Result<Location, Error> {
        match self {
            Self::Repository(root) => {
                let name = ConfinedDir::of(root)?.resolve(&below(root, path)?)?;
                Ok(Location { root: root.clone(), name })
            }
            Self::Home(home) => Ok(own(home, path)),
        }
    }

    /// The location of a folder's entry, which may be a link itself.
    ///
    /// # Errors
    /// The errors of [`locate`](Self::locate).
    pub(super) fn locate_entry(&self, path: &Path) -> Result<Location, Error> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::local(format!("{} is no file", path.display())));
        };
        let Location { root, name: folder } = self.locate(folder)?;
        Ok(Location { root, name: folder.join(name) })
    }
}

fn below(root: &Path, path: &Path) -> Result<PathBuf, Error> {
    let below = path.strip_prefix(root).map(Path::to_owned);
    below.map_err(|_| Error::local(format!("{} is not in {}", path.display(), root.display())))
}

fn own(home: &Path, path: &Path) -> Location {
    let home = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    // A missing file is below an existing folder.
    let there = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let real = there.map_or_else(
        || path.to_owned(),
        |(above, real)| match path.strip_prefix(above) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            _ => real,
        },
    );
    if let Ok(name) = real.strip_prefix(&home) {
        return Location { name: name.to_owned(), root: home };
    }
    let root = real.parent().unwrap_or(&real).to_owned();
    Location { name: real.file_name().map(PathBuf::from).unwrap_or_default(), root }
}

/// A file, and the folder that it is beneath. There is no link on the way, or it is an error to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    root: PathBuf,
    name: PathBuf,
}

impl Location {
    /// The whole path.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Its path beneath its root.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// The folder that it is in, beneath the root.
    pub(super) fn folder(&self) -> &Path {
        self.name.parent().unwrap_or(Path::new(""))
    }

    pub(super) fn dir(&self) -> Result<ConfinedDir, Error> {
        ConfinedDir::of(&self.root)
    }

    /// Its content; none if it does not exist.
    ///
    /// # Errors
    /// When it cannot be read as text, or a link has taken its place.
    pub(super) fn read(&self) -> Result<Option<String>, Error> {
        self.dir()?.read(&self.name, Links::Refused)
    }

    /// Checks that its content is still the one for which the person agreed to a change.
    ///
    /// # Errors
    /// When the content has changed.
    pub(super) fn must_say(&self, before: Option<&str>) -> Result<(), Error> {
        if self.read()?.as_deref() == before {
            return Ok(());
        }
        Err(Error::local(format!("{} has changed meanwhile, and is left as it is", self.path().display()))
            .hint("run the command again: it shows what it would change now"))
    }
}
