//! Files beneath a folder. A file is read up to a limit, and replaced whole, beside its other names if it has several.

use super::{
    dir::{ConfinedDir, is_nothing},
    links::Links,
};
use crate::error::Error;
use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, File, OpenOptions, Permissions};
use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Bytes of the longest file of a repository that is read: settings, guides and lists of ignored files are shorter.
pub(crate) const MAX_FILE_BYTES: u64 = 4 << 20;

impl ConfinedDir {
    /// The content of a file; none if it does not exist.
    ///
    /// # Errors
    /// When a link is in the way, or it is no regular file, longer than [`MAX_FILE_BYTES`] or no text.
    pub(crate) fn read(&self, path: &Path, links: Links) -> Result<Option<String>, Error> {
        let path = &self.without_links(path, links)?;
        let Some((folder, name)) = self.parent(path, false)? else { return Ok(None) };
        let Some(_) = self.regular(&folder, &name, path)? else { return Ok(None) };
        let mut options = OpenOptions::new();
        // A pipe that took the file's place would block the command.
        options.read(true).follow(FollowSymlinks::No).nonblock(cfg!(unix));
        let file = folder.open_with(&name, &options).map_err(|error| self.cannot("read", path, &error))?;
        self.text(file, path).map(Some)
    }

    fn text(&self, file: File, path: &Path) -> Result<String, Error> {
        let cannot = |error: &dyn std::fmt::Display| {
            Error::local(format!("cannot read {}: {error}", self.root().join(path).display()))
        };
        if !file.metadata().map_err(|error| cannot(&error))?.is_file() {
            return Err(self.is_no_file(path));
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(cannot(&format_args!("it is longer than {} MiB", MAX_FILE_BYTES >> 20)));
        }
        String::from_utf8(bytes).map_err(|_| cannot(&"it is no text in UTF-8"))
    }

    /// Whether there is a folder of that name, and no link to one.
    pub(crate) fn is_folder(&self, path: &Path) -> bool {
        let parent = self.parent(path, false).ok().flatten();
        parent.is_some_and(|(folder, name)| folder.open_dir_nofollow(name).is_ok())
    }

    /// Replaces a file, or creates it with all folders above it. An existing file keeps its permissions.
    ///
    /// # Errors
    /// When a link or something else than a file is in the way, or it cannot be written; it is then as it was.
    pub(crate) fn write(&self, path: &Path, text: &str, is_program: bool) -> Result<(), Error> {
        let Some((folder, name)) = self.parent(path, true)? else { return Err(self.leads_out(path, path)) };
        let permissions = self.regular(&folder, &name, path)?;
        // In the same folder: a rename across file systems would be no single step.
        let mut temporary = name.clone();
        temporary.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
        let written = fill(&folder, &temporary, text, permissions, is_program)
            // A link that took the file's place is replaced as well, and not followed.
            .and_then(|()| folder.rename(&temporary, &folder, &name));
        written.map_err(|error| {
            // The error is reported already. A left-over file is not worth another message.
            let _ = folder.remove_file(&temporary);
            self.cannot("write", path, &error)
        })
    }

    /// Removes a file. Returns whether it existed.
    ///
    /// # Errors
    /// When a link or something else than a file is in the way, or it cannot be removed.
    pub(crate) fn remove_file(&self, path: &Path) -> Result<bool, Error> {
        let Some((folder, name)) = self.parent(path, false)? else { return Ok(false) };
        if self.regular(&folder, &name, path)?.is_none() {
            return Ok(false);
        }
        folder.remove_file(&name).map_err(|error| self.cannot("remove", path, &error))?;
        Ok(true)
    }

    /// Removes an empty folder. Returns whether it did: a link and a folder with entries stay.
    pub(crate) fn remove_empty_folder(&self, path: &Path) -> bool {
        let parent = self.parent(path, false).ok().flatten();
        parent.is_some_and(|(folder, name)| folder.remove_dir(name).is_ok())
    }

    /// Whether an entry of that name exists, even if it is a link.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let parent = self.parent(path, false).ok().flatten();
        parent.is_some_and(|(folder, name)| folder.symlink_metadata(name).is_ok())
    }

    /// Renames a file into an existing folder. A link is moved itself, and keeps its target.
    ///
    /// # Errors
    /// When a link is on the way, the new name exists, or the file cannot be renamed.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        let (Some((from_folder, from_name)), Some((to_folder, to_name))) =
            (self.parent(from, false)?, self.parent(to, false)?)
        else {
            return Err(self.cannot("move", from, &io::ErrorKind::NotFound.into()));
        };
        if self.has(to) {
            return Err(self.cannot("move to", to, &io::ErrorKind::AlreadyExists.into()));
        }
        let moved = match from_folder.read_link_contents(&from_name) {
            Ok(target) if target.is_relative() => {
                DirExt::symlink(&to_folder, relocated(&target, from, to), &to_name)
                    .and_then(|()| from_folder.remove_file(&from_name))
            }
            _ => from_folder.rename(&from_name, &to_folder, &to_name),
        };
        moved.map_err(|error| self.cannot("move", from, &error))
    }

    /// Creates a folder, and those above it. Returns the created folders, the highest first.
    ///
    /// # Errors
    /// When a link or a file is in the way, or it cannot be made.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<Vec<PathBuf>, Error> {
        let mut made = Vec::new();
        self.descend(path, Some(&mut made))?;
        Ok(made)
    }

    /// The permissions of a regular file; `None` if it does not exist.
    fn regular(&self, folder: &Dir, name: &OsStr, path: &Path) -> Result<Option<Permissions>, Error> {
        match folder.symlink_metadata(name) {
            Ok(meta) if meta.is_symlink() => {
                let target = folder.read_link_contents(name).unwrap_or_default();
                Err(self.leads_out(path, &target))
            }
            Ok(meta) if !meta.is_file() => Err(self.is_no_file(path)),
            Ok(meta) => Ok(Some(meta.permissions())),
            Err(error) if is_nothing(&error) => Ok(None),
            Err(error) => Err(self.cannot("look at", path, &error)),
        }
    }

    fn is_no_file(&self, path: &Path) -> Error {
        Error::local(format!(
            "{} is no regular file: a folder, a pipe or a device is left as it is",
            self.root().join(path).display()
        ))
        .hint("move it away, then run the command again")
    }
}

/// The target of a relative link after it was moved one folder down or up.
fn relocated(target: &Path, from: &Path, to: &Path) -> PathBuf {
    let (from_folder, to_folder) = (from.parent(), to.parent());
    match target.strip_prefix("..") {
        Ok(rest) if to_folder == from_folder.and_then(Path::parent) => rest.to_owned(),
        _ if to_folder.and_then(Path::parent) == from_folder => Path::new("..").join(target),
        _ => target.to_owned(),
    }
}

fn fill(
    folder: &Dir,
    name: &OsStr,
    text: &str,
    permissions: Option<Permissions>,
    is_program: bool,
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        // A private file must not be readable by others while it is written.
        options.mode(if permissions.is_some() { 0o600 } else { 0o666 });
    }
    let mut file = folder.open_with(name, &options)?;
    file.write_all(text.as_bytes())?;
    match permissions {
        Some(permissions) => file.set_permissions(permissions)?,
        None if is_program => make_program(&file)?,
        None => {}
    }
    // Before the rename: a crash must not leave the new name with no content.
    file.sync_all()
}

#[cfg(unix)]
fn make_program(file: &File) -> io::Result<()> {
    use cap_std::fs::PermissionsExt;
    file.set_permissions(Permissions::from_mode(0o755))
}

/// Does nothing: on systems other than Unix, every file is executable.
#[cfg(not(unix))]
fn make_program(_: &File) -> io::Result<()> {
    Ok(())
}
