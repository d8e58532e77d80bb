//! A plan of changes: shows them as a diff, and makes them. Each file is replaced as a whole or not at all, and nothing
//! is deleted that Nexus did not write.

use super::{
    location::{Base, Location},
    memory::{self, Memory},
    signature,
};
use crate::error::Error;
use similar::TextDiff;
use std::path::{Path, PathBuf};

/// Whether to install or to uninstall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Hooks and tools are put in.
    Install,
    /// Hooks and tools are removed again.
    Uninstall,
}

/// One change of a file, or of a link to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A file gets another content, is created, or is deleted.
    Write {
        /// The file that is changed.
        at: Location,
        /// The present content; none if the file does not exist.
        before: Option<String>,
        /// The new content; none if the file is deleted.
        after: Option<String>,
        /// Whether the file must be executable.
        is_program: bool,
        /// The content before Nexus changed it, if that has to be remembered.
        origin: Option<String>,
    },
    /// A file is renamed.
    Move {
        /// The file that is moved.
        from: Location,
        /// The path that it has afterwards.
        to: Location,
    },
}

/// The changes of an installation, and notes about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    base: Base,
    /// All changes, in the order in which they are carried out.
    pub(crate) changes: Vec<Change>,
    /// Notes for the person who installs.
    pub(crate) notes: Vec<String>,
}

/// A text from which what Nexus wrote was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WithoutOurs {
    /// The rest of the text.
    pub(crate) text: String,
    /// Whether the rest is what a file has that was created for Nexus alone.
    pub(crate) is_nothing: bool,
}

impl WithoutOurs {
    /// The rest as a file; none if the file is to be deleted.
    fn file(self) -> Option<String> {
        (!self.is_nothing).then_some(self.text)
    }
}

impl Plan {
    /// An empty plan for files in that base.
    pub(crate) const fn new(base: Base) -> Self {
        Self { base, changes: Vec::new(), notes: Vec::new() }
    }

    /// The location of a file. Adds a note if a link leads somewhere else.
    fn locate(&mut self, path: &Path) -> Result<Location, Error> {
        let at = self.base.locate(path)?;
        // A person knows where the links in their own home folder lead.
        if matches!(self.base, Base::Repository(_)) && at.path() != path {
            self.note(format!("{} leads to {}: that file is meant", path.display(), at.path().display()));
        }
        Ok(at)
    }

    /// The location of a folder's entry, which may be a link itself.
    pub(crate) fn locate_entry(&self, path: &Path) -> Result<Location, Error> {
        self.base.locate_entry(path)
    }

    /// The content of a file; none if it does not exist.
    ///
    /// # Errors
    /// When it cannot be read as text, or leads elsewhere.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<String>, Error> {
        self.base.locate(path)?.read()
    }

    /// Adds a note, unless it is there already.
    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Adds the text of Nexus to a text of others. `take_out` removes it again: if that does not
    /// restore the text, the text is remembered.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub(crate) fn put_in(
        &mut self,
        path: PathBuf,
        add: impl FnOnce(Option<&str>) -> Result<String, Error>,
        take_out: impl Fn(&str) -> Result<WithoutOurs, Error>,
    ) -> Result<(), Error> {
        let at = self.locate(&path)?;
        let path = at.path();
        let before = at.read()?;
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
        self.changes.push(Change::Write { at, before, after: Some(after), is_program: false, origin });
        Ok(())
    }

    /// Removes what Nexus wrote. A file that was created for it is deleted; one that was there before stays.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub(crate) fn take_out(
        &mut self,
        path: PathBuf,
        take_out: impl Fn(&str) -> Result<WithoutOurs, Error>,
    ) -> Result<(), Error> {
        let at = self.locate(&path)?;
        let path = at.path();
        let Some(before) = at.read()? else { return Ok(()) };
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
        self.changes.push(Change::Write { at, before: Some(before), after, is_program: false, origin: None });
        Ok(())
    }

    /// Writes a text that belongs to Nexus as a whole, by its first line. A text of others stays.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn put(&mut self, path: PathBuf, text: &str) -> Result<(), Error> {
        match self.read(&path)? {
            Some(before) if !signature::is_ours(&before) => {
                let name = path.display();
                self.notes.push(format!("{name} stays as it is: it is not as nexus install writes it"));
                Ok(())
            }
            _ => self.own(path, &signature::signed(text)),
        }
    }

    /// Deletes a text that belongs to Nexus as a whole.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn take(&mut self, path: PathBuf) -> Result<(), Error> {
        let at = self.locate(&path)?;
        match at.read()? {
            None => {}
            before @ Some(_) if before.as_deref().is_some_and(signature::is_ours) => {
                self.changes.push(Change::Write { at, before, after: None, is_program: false, origin: None });
            }
            Some(_) => {
                let name = path.display();
                self.notes.push(format!("{name} stays: it is not as nexus install wrote it"));
            }
        }
        Ok(())
    }

    /// Writes a file in a folder that belongs to Nexus.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn own(&mut self, path: PathBuf, text: &str) -> Result<(), Error> {
        let at = self.locate(&path)?;
        let before = at.read()?;
        if before.as_deref() != Some(text) {
            let after = Some(text.to_owned());
            self.changes.push(Change::Write { at, before, after, is_program: false, origin: None });
        }
        Ok(())
    }

    /// Appends another plan.
    pub(crate) fn extend(&mut self, other: Self) {
        self.changes.extend(other.changes);
        other.notes.into_iter().for_each(|note| self.note(note));
    }
}

impl Change {
    /// The file that the change is about.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Write { at, .. } => at.path(),
            Self::Move { from, .. } => from.path(),
        }
    }

    /// The kind of change, in one word.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Write { before: None, .. } => "create",
            Self::Write { after: None, .. } => "delete",
            Self::Write { .. } => "change",
            Self::Move { .. } => "move",
        }
    }

    /// The change in the form of `diff -u`.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Move { from, to } => {
                format!("{} becomes {}\n", from.path().display(), to.path().display())
            }
            Self::Write { at, before, after, .. } => {
                let name = at.path().display().to_string();
                let (old, new) =
                    (before.as_deref().unwrap_or_default(), after.as_deref().unwrap_or_default());
                let from = if before.is_some() { name.as_str() } else { "/dev/null" };
                let to = if after.is_some() { name.as_str() } else { "/dev/null" };
                TextDiff::from_lines(old, new).unified_diff().header(from, to).to_string()
            }
        }
    }

    /// Makes the change.
    ///
    /// # Errors
    /// When it fails, or the file has changed since the plan was made; the file is then as it was.
    pub(crate) fn apply(&self) -> Result<(), Error> {
        match self {
            Self::Move { from, to } => {
                let dir = from.dir()?;
                memory::make_folder(&dir, to.folder())?;
                dir.rename(from.name(), to.name())?;
                tidy(from)
            }
            Self::Write { at, before, after: None, is_program, .. } => {
                at.must_say(before.as_deref())?;
                at.dir()?.remove_file(at.name())?;
                Memory::forget(&at.path());
                // The folder of hooks belongs to git, even when it is empty.
                if *is_program { Ok(()) } else { tidy(at) }
            }
            Self::Write { at, before, after: Some(text), is_program, origin } => {
                // Two hosts may read one file, which then has what both want already.
                if at.read()?.as_ref() != Some(text) {
                    at.must_say(before.as_deref())?;
                }
                let dir = at.dir()?;
                memory::make_folder(&dir, at.folder())?;
                // First the earlier content: afterwards it would be lost.
                if let Some(origin) = origin {
                    let kept = Memory::new(&at.path(), origin.clone(), text).keep();
                    kept.map_err(|error| {
                        Error::local(format!("cannot remember {}: {error}", at.path().display()))
                    })?;
                }
                dir.write(at.name(), text, *is_program)?;
                if origin.is_none() {
                    Memory::forget(&at.path());
                }
                Ok(())
            }
        }
    }
}

/// Deletes folders that were created for the file.
fn tidy(at: &Location) -> Result<(), Error> {
    let dir = at.dir()?;
    let above = at.name().ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    for folder in above.take(3) {
        if !memory::remove_folder(&dir, folder) {
            break;
        }
    }
    Ok(())
}
