//! The owner of what a restore or a recovery makes. An operator often types the command as root, and the node that is
//! started on the folder runs as another user.

use anyhow::Context;
use rustix::{
    fs::{Dir, Mode, OFlags, open, openat},
    process::geteuid,
};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, fchown},
    path::Path,
};

/// The user and the group that get a folder. Only root gives files away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(Option<(u32, u32)>);

impl Owner {
    /// The owner of a folder, or of the nearest one above it that exists.
    pub(super) fn of(folder: &Path) -> Self {
        let found = folder.ancestors().find_map(|folder| fs::metadata(folder).ok());
        Self(found.filter(|_| geteuid().is_root()).map(|found| (found.uid(), found.gid())))
    }

    /// Gives a folder and everything in it to the owner, durably.
    ///
    /// # Errors
    /// When the device fails, or the file system has no owners.
    pub(super) fn give(self, folder: &Path) -> anyhow::Result<()> {
        let Some(owner) = self.0.filter(|(user, _)| *user != geteuid().as_raw()) else { return Ok(()) };
        open(folder, FLAGS | OFlags::DIRECTORY, Mode::empty())
            .map_err(io::Error::from)
            .and_then(|folder| give_open(&fs::File::from(folder), owner))
            .with_context(|| format!("cannot give {} to the user {}", folder.display(), owner.0))
    }
}

/// No link is followed: the owner of the folder above can put one in place of what is given.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn give_open(made: &fs::File, owner: (u32, u32)) -> io::Result<()> {
    let found = made.metadata()?;
    // What belongs to others was not made here.
    if found.uid() != geteuid().as_raw() {
        return Ok(());
    }
    if found.is_dir() {
        for entry in Dir::read_from(made)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                let inner = openat(made, entry.file_name(), FLAGS, Mode::empty())?;
                give_open(&fs::File::from(inner), owner)?;
            }
        }
    }
    fchown(made, Some(owner.0), Some(owner.1))?;
    made.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    #[test]
    fn root_gives_what_it_makes_to_the_owner_of_the_place_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let (data, built, other) =
            (folder.path().join("data"), folder.path().join("built"), folder.path().join("other"));
        if !geteuid().is_root() {
            assert_eq!(Owner::of(&data), Owner(None), "a user gives nothing away");
            return;
        }
        // Some containers have few users.
        if chown(folder.path(), Some(4_242), Some(4_343)).is_err() {
            return;
        }
        fs::create_dir_all(built.join("db")).unwrap();
        fs::write(built.join("db").join("file"), "text").unwrap();
        fs::create_dir(&other).unwrap();
        Owner::of(&data).give(&built).unwrap();
        for made in [built.clone(), built.join("db"), built.join("db").join("file")] {
            let found = fs::metadata(made).unwrap();
            assert_eq!((found.uid(), found.gid()), (4_242, 4_343));
        }
        let link = folder.path().join("link");
        symlink(&other, &link).unwrap();
        assert!(Owner::of(&data).give(&link).is_err());
        assert_eq!(fs::metadata(&other).unwrap().uid(), 0);
    }
}
