//! What would be changed, as a difference that a person can read; and doing it. Each file is replaced whole or
//! not at all.

use crate::{
    config::atomic::{self, Readers},
    error::Error,
};
use similar::TextDiff;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A file gets another content, or is made, or is gone.
    Write {
        /// Which.
        path: PathBuf,
        /// What it says now; none when there is none.
        before: Option<String>,
        /// What it will say; none when it will be gone.
        after: Option<String>,
        /// Whether it is a program.
        is_program: bool,
    },
    /// A file gets another name.
    Move {
        /// From.
        from: PathBuf,
        /// To.
        to: PathBuf,
    },
}

/// What would be changed, and what should be known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In order.
    pub(crate) changes: Vec<Change>,
    /// For the person who installs.
    pub(crate) notes: Vec<String>,
}

impl Plan {
    /// A text gets another content.
    ///
    /// # Errors
    /// When it cannot be read, or `edit` does not know what to do with it.
    pub(super) fn edit(
        &mut self,
        path: PathBuf,
        edit: impl FnOnce(Option<&str>) -> Result<Option<String>, Error>,
    ) -> Result<(), Error> {
        let before = read(&path)?;
        let after = edit(before.as_deref())?;
        if before != after {
            self.changes.push(Change::Write { path, before, after, is_program: false });
        }
        Ok(())
    }

    /// A text that is wholly ours.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn own(&mut self, path: PathBuf, text: Option<&str>) -> Result<(), Error> {
        self.edit(path, |_| Ok(text.map(str::to_owned)))
    }

    /// Appends another plan.
    pub(crate) fn extend(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.notes.extend(other.notes);
    }
}

/// What a file says; none when there is none.
///
/// # Errors
/// When it cannot be read as text.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::local(format!("cannot read {}: {error}", path.display()))),
    }
}

impl Change {
    /// The file it is about.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Write { path, .. } => path,
            Self::Move { from, .. } => from,
        }
    }

    /// What happens to it, in a word.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Write { before: None, .. } => "create",
            Self::Write { after: None, .. } => "delete",
            Self::Write { .. } => "change",
            Self::Move { .. } => "move",
        }
    }

    /// What changes, as `diff -u` shows it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Move { from, to } => format!("{} becomes {}\n", from.display(), to.display()),
            Self::Write { path, before, after, .. } => {
                let name = path.display().to_string();
                let (old, new) =
                    (before.as_deref().unwrap_or_default(), after.as_deref().unwrap_or_default());
                let from = if before.is_some() { name.as_str() } else { "/dev/null" };
                let to = if after.is_some() { name.as_str() } else { "/dev/null" };
                TextDiff::from_lines(old, new).unified_diff().header(from, to).to_string()
            }
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When it cannot be done; the file is then as it was.
    pub(crate) fn apply(&self) -> Result<(), Error> {
        let done = match self {
            Self::Move { from, to } => fs::rename(from, to),
            Self::Write { path, after: None, .. } => fs::remove_file(path).map(|()| tidy(path)),
            Self::Write { path, after: Some(text), is_program, .. } => write(path, text, *is_program),
        };
        done.map_err(|error| {
            Error::local(format!("cannot {} {}: {error}", self.word(), self.path().display()))
        })
    }
}

fn write(path: &Path, text: &str, is_program: bool) -> io::Result<()> {
    // A symbolic link stays one: what it leads to is written.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mode = fs::metadata(path).ok().map(|meta| meta.permissions());
    atomic::write(path, text.as_bytes(), Readers::Everyone)?;
    if let Some(mode) = mode {
        fs::set_permissions(path, mode)?;
    }
    #[cfg(unix)]
    if is_program {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    #[cfg(not(unix))]
    let _ = is_program;
    Ok(())
}

/// Folders that are empty now were made for the file.
fn tidy(path: &Path) {
    for folder in path.ancestors().skip(1).take(3) {
        // One that is not empty stays.
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}
