//! What would be changed, as a difference that a person can read; and doing it. Each file is replaced whole or
//! not at all. What is not ours is not deleted.

use super::{
    memory::{self, Memory},
    skill,
};
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
        /// Whether it is a program, in a folder of programs.
        is_program: bool,
        /// What it said before anything of ours was in it, if that has to be remembered.
        origin: Option<String>,
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

/// A text without what is ours in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// What is left.
    pub(super) text: String,
    /// Whether that is what a text says that was made for us alone.
    pub(super) is_nothing: bool,
}

impl Taken {
    /// What is left of the file.
    fn file(self) -> Option<String> {
        (!self.is_nothing).then_some(self.text)
    }
}

impl Plan {
    /// Puts something of ours into a text of somebody else. `take_out` is what will be done about it one day: where
    /// that does not bring the text back as it was, it is remembered.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub(super) fn put_in(
        &mut self,
        path: PathBuf,
        add: impl FnOnce(Option<&str>) -> Result<String, Error>,
        take_out: impl Fn(&str) -> Result<Taken, Error>,
    ) -> Result<(), Error> {
        let before = read(&path)?;
        let after = add(before.as_deref())?;
        if before.as_deref() == Some(&after) {
            return Ok(());
        }
        let origin = match &before {
            None => None,
            Some(text) => match (Memory::of(&path), take_out(text)?) {
                (Some(memory), _) if memory.is_of(text) => Some(memory.before),
                // Nothing of ours is in it yet.
                (_, taken) if taken.text == *text => before.clone(),
                (None, taken) => taken.file(),
                (Some(_), taken) => Some(taken.text),
            },
        };
        let comes_back = take_out(&after)?.file() == origin;
        let origin = origin.filter(|_| !comes_back);
        self.changes.push(Change::Write { path, before, after: Some(after), is_program: false, origin });
        Ok(())
    }

    /// Takes out what is ours. A file that was made for it goes, one that was there before stays.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub(super) fn take_out(
        &mut self,
        path: PathBuf,
        take_out: impl Fn(&str) -> Result<Taken, Error>,
    ) -> Result<(), Error> {
        let Some(before) = read(&path)? else { return Ok(()) };
        let taken = take_out(&before)?;
        let after = match Memory::of(&path) {
            Some(memory) if memory.is_of(&before) => Some(memory.before),
            _ if taken.text == before => return Ok(()),
            Some(_) if taken.is_nothing => {
                self.notes
                    .push(format!("{} stays: it was there before, and said nothing else", path.display()));
                Some(taken.text)
            }
            _ => taken.file(),
        };
        self.changes.push(Change::Write {
            path,
            before: Some(before),
            after,
            is_program: false,
            origin: None,
        });
        Ok(())
    }

    /// A text that is wholly ours, and says so; one of somebody else stays.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn put(&mut self, path: PathBuf, text: &str) -> Result<(), Error> {
        match read(&path)? {
            Some(before) if !skill::is_ours(&before) => {
                let name = path.display();
                self.notes.push(format!("{name} stays as it is: it is not as nexus install writes it"));
                Ok(())
            }
            _ => self.own(path, &skill::signed(text)),
        }
    }

    /// Deletes such a text.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn take(&mut self, path: PathBuf) -> Result<(), Error> {
        match read(&path)? {
            None => {}
            before @ Some(_) if before.as_deref().is_some_and(skill::is_ours) => {
                self.changes.push(Change::Write {
                    path,
                    before,
                    after: None,
                    is_program: false,
                    origin: None,
                });
            }
            Some(_) => {
                let name = path.display();
                self.notes.push(format!("{name} stays: it is not as nexus install wrote it"));
            }
        }
        Ok(())
    }

    /// A file in a folder that is ours.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn own(&mut self, path: PathBuf, text: &str) -> Result<(), Error> {
        let before = read(&path)?;
        if before.as_deref() != Some(text) {
            let after = Some(text.to_owned());
            self.changes.push(Change::Write { path, before, after, is_program: false, origin: None });
        }
        Ok(())
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
            Self::Move { from, to } => rename(from, to),
            Self::Write { path, after: None, is_program, .. } => fs::remove_file(path).map(|()| {
                Memory::forget(path);
                // Git's folder of hooks is git's, also when it is empty.
                if !is_program {
                    tidy(path);
                }
            }),
            Self::Write { path, after: Some(text), is_program, origin: None, .. } => {
                write(path, text, *is_program).map(|()| Memory::forget(path))
            }
            // First what it said: it could not be had afterwards.
            Self::Write { path, after: Some(text), is_program, origin: Some(origin), .. } => {
                Memory::new(path, origin.clone(), text).keep().and_then(|()| write(path, text, *is_program))
            }
        };
        done.map_err(|error| {
            Error::local(format!("cannot {} {}: {error}", self.word(), self.path().display()))
        })
    }
}

/// A link keeps what it leads to, also from a folder further down or further up.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        memory::make_folder(folder)?;
    }
    match fs::read_link(from) {
        Ok(target) if target.is_relative() => relink(&target, from, to)?,
        _ => fs::rename(from, to)?,
    }
    tidy(from);
    Ok(())
}

#[cfg(unix)]
fn relink(target: &Path, from: &Path, to: &Path) -> io::Result<()> {
    let (from_folder, to_folder) = (from.parent(), to.parent());
    let target = match target.strip_prefix("..") {
        Ok(rest) if to_folder == from_folder.and_then(Path::parent) => rest.to_owned(),
        _ if to_folder.and_then(Path::parent) == from_folder => Path::new("..").join(target),
        _ => target.to_owned(),
    };
    std::os::unix::fs::symlink(target, to)?;
    fs::remove_file(from)
}

#[cfg(not(unix))]
fn relink(_: &Path, from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

fn write(path: &Path, text: &str, is_program: bool) -> io::Result<()> {
    // A symbolic link stays one: what it leads to is written.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path.parent() {
        memory::make_folder(folder)?;
    }
    let mode = fs::metadata(path).ok().map(|meta| meta.permissions());
    atomic::write(path, text.as_bytes(), Readers::Everyone)?;
    let is_new = mode.is_none();
    if let Some(mode) = mode {
        fs::set_permissions(path, mode)?;
    }
    #[cfg(unix)]
    if is_program && is_new {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    #[cfg(not(unix))]
    let _ = (is_program, is_new);
    Ok(())
}

/// Folders that were made for the file go with it.
fn tidy(path: &Path) {
    for folder in path.ancestors().skip(1).take(3) {
        if !memory::remove_folder(folder) {
            return;
        }
    }
}
