//! The folders beside a data folder: one that is being built for it, and one that it has replaced. Only folders that
//! are being built are ever deleted, and they are found by their names.

use super::{
    account::{quoted, say},
    ownership::Owner,
};
use anyhow::{Context, bail, ensure};
use nexus_api::mint::Mint;
use rustix::{
    fs::{FlockOperation, RenameFlags, fcntl_lock, flock, renameat_with},
    io::Errno,
};
use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// The infix of a folder that `nexusd restore` builds; a random id follows.
pub(super) const RESTORING: &str = ".restoring-";
/// The infix of a folder that `nexusd recover` builds.
pub(super) const RECOVERING: &str = ".recovering-";
/// The infix of a folder that was replaced; its time follows.
const REPLACED: &str = ".before-recover-";

/// The place of a data folder, with a lock on the folder above it: one process at a time builds beside it.
pub(super) struct Place {
    data_dir: PathBuf,
    parent: PathBuf,
    /// Gets what is made here, if another user makes it.
    owner: Owner,
    /// Held for as long as the place.
    _lock: fs::File,
}

impl Place {
    /// Takes the place of a data folder, which may be missing.
    ///
    /// # Errors
    /// When the folder above it cannot be made, another restore or recovery runs in it, or it is a mount point.
    pub(super) fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let (data_dir, parent) = check_is_replaceable(data_dir)?;
        let owner = Owner::of(&data_dir);
        let missing: Vec<&Path> = parent.ancestors().take_while(|folder| !folder.exists()).collect();
        fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
        for made in missing.into_iter().rev() {
            owner.give(made)?;
        }
        let lock = fs::File::open(&parent).with_context(|| format!("cannot open {}", parent.display()))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => {
                bail!("another restore or recovery runs in {}: wait for it, then try again", parent.display())
            }
            // Some network file systems have no locks.
            _ => Ok(Self { data_dir, parent, owner, _lock: lock }),
        }
    }

    /// The data folder.
    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Deletes what an earlier run has left unfinished.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub(super) fn clean_up(&self) -> anyhow::Result<()> {
        for left in beside(&self.data_dir, &[RESTORING, RECOVERING])? {
            fs::remove_dir_all(&left).with_context(|| {
                format!("cannot remove {}, which an interrupted run left", left.display())
            })?;
            say!("Removed {}, which an interrupted run left.", left.display());
        }
        Ok(())
    }

    /// Makes a folder beside the data folder, which only its owner can read.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn begin(&self, infix: &str, mint: &dyn Mint) -> anyhow::Result<Building> {
        let path = sibling(&self.data_dir, &format!("{infix}{}", mint.id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Building { path, is_kept: false })
    }

    /// Gives a whole folder the name of the data folder, which is missing or empty.
    ///
    /// # Errors
    /// When the device fails, or somebody has used the name meanwhile.
    pub(super) fn put(&self, mut built: Building) -> anyhow::Result<()> {
        self.owner.give(&built.path)?;
        sync(&built.path)?;
        fs::rename(&built.path, &self.data_dir).with_context(|| {
            format!("cannot rename {} to {}", built.path.display(), self.data_dir.display())
        })?;
        built.is_kept = true;
        sync(&self.parent)
    }

    /// Puts a whole folder in place of the data folder, in one step where the file system can do that, and returns the
    /// new name of the former one. Between two steps, [`check_is_in_place`] finds out.
    ///
    /// # Errors
    /// When the device fails. The data folder is then what it was, or what was built.
    pub(super) fn exchange(&self, mut built: Building, time: &str) -> anyhow::Result<PathBuf> {
        self.owner.give(&built.path)?;
        sync(&built.path)?;
        let former = sibling(&self.data_dir, &format!("{REPLACED}{time}"));
        let failed =
            || format!("cannot put {} in place of {}", built.path.display(), self.data_dir.display());
        ensure!(!former.exists(), "{} exists already: wait a second, then try again", former.display());
        // The new folder gets the name that the former one shall have, so that no crash leaves the former one under a
        // name by which it would be deleted.
        fs::rename(&built.path, &former).with_context(failed)?;
        let is_exchanged = {
            let cwd = rustix::fs::CWD;
            renameat_with(cwd, &former, cwd, &self.data_dir, RenameFlags::EXCHANGE)
        };
        match is_exchanged {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                fs::rename(&former, &built.path).with_context(failed)?;
                fs::rename(&self.data_dir, &former).with_context(failed)?;
                fs::rename(&built.path, &self.data_dir).with_context(failed)?;
            }
            Err(error) => {
                fs::rename(&former, &built.path).with_context(failed)?;
                return Err(error).with_context(failed);
            }
        }
        built.is_kept = true;
        sync(&self.parent)?;
        Ok(former)
    }
}

/// A folder that is being built. The drop deletes it unless it was put into place.
pub(super) struct Building {
    path: PathBuf,
    is_kept: bool,
}

impl Building {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if !self.is_kept {
            // The next run tries again.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The lock of a node on its data folder, without opening the database: no node starts on it meanwhile.
pub(super) struct NodeLock(#[expect(dead_code, reason = "the lock ends with the file")] fs::File);

impl NodeLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When a node runs on the folder.
    pub(super) fn take(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join("db").join("LOCK");
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(Errno::ACCESS | Errno::AGAIN) => bail!(
                "another process has this data folder open: stop the nexusd that runs on {}, then try again",
                data_dir.display()
            ),
            Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}

/// Checks that another folder can take the name of a data folder, which may be missing. Returns its absolute path and
/// that of the folder above it.
///
/// # Errors
/// When it is a mount point, which no folder can replace, or has none above it.
pub(super) fn check_is_replaceable(data_dir: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let absolute = std::path::absolute(data_dir)
        .with_context(|| format!("cannot tell where {} is", data_dir.display()))?;
    // A link is followed, so that its target is replaced and not the link.
    let data_dir = fs::canonicalize(&absolute).unwrap_or(absolute);
    let parent = match (data_dir.parent(), data_dir.file_name()) {
        (Some(parent), Some(_)) => parent.to_owned(),
        _ => bail!("{} cannot be a data folder: give a folder below another one", data_dir.display()),
    };
    if is_mount_point(&data_dir, &parent) {
        let (shown, inner) = (data_dir.display(), data_dir.join("data"));
        let inner = inner.display();
        ensure!(
            !data_dir.join("db").exists(),
            "{shown} is a mount point: name a folder in it, such as {inner}, after you have moved what is in \
             {shown} to there"
        );
        bail!("{shown} is a mount point: name a folder in it, such as {inner}");
    }
    Ok((data_dir, parent))
}

/// Whether a file system, or a part of one, begins at a folder.
fn is_mount_point(folder: &Path, parent: &Path) -> bool {
    // A part that is mounted from the same file system has the same device.
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        let found = statx(CWD, folder, AtFlags::empty(), StatxFlags::BASIC_STATS);
        if found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)) {
            return true;
        }
    }
    let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
    device(folder).zip(device(parent)).is_some_and(|(own, above)| own != above)
}

/// Checks that a data folder is one that a node may start on: no folder that is being built, and no name that a
/// recovery left free between its two renames.
///
/// # Errors
/// A sentence that says what to do.
pub(crate) fn check_is_in_place(data_dir: &Path) -> anyhow::Result<()> {
    let name = data_dir.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    for (infix, command) in [(RESTORING, "restore"), (RECOVERING, "recover")] {
        ensure!(
            !name.contains(infix),
            "{} is what nexusd {command} builds and deletes: run nexusd {command} again, and start the folder that it \
             names",
            data_dir.display()
        );
    }
    if data_dir.exists() {
        return Ok(());
    }
    let (built, former) = (beside(data_dir, &[RECOVERING])?, beside(data_dir, &[REPLACED])?);
    if let ([built], Some(former)) = (built.as_slice(), former.last()) {
        bail!(
            "{data} was being replaced by nexusd recover, which was interrupted before its last step: finish it with\n  \
             mv {built} {data}\nor take it back with\n  mv {former} {data}",
            data = quoted(data_dir),
            built = quoted(built),
            former = quoted(former)
        );
    }
    Ok(())
}

/// The folders beside a data folder whose names have one of these infixes after its own name, in order.
fn beside(data_dir: &Path, infixes: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let Some((parent, name)) = data_dir.parent().zip(data_dir.file_name()) else { return Ok(Vec::new()) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot list {}", parent.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", parent.display()))?;
        let own = entry.file_name();
        let rest = own.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        let is_one = |rest: &[u8]| infixes.iter().any(|infix| rest.starts_with(infix.as_bytes()));
        if rest.is_some_and(is_one) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The path beside a data folder that has its name and a suffix.
pub(super) fn sibling(data_dir: &Path, suffix: &str) -> PathBuf {
    let mut name = data_dir.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    data_dir.with_file_name(name)
}

fn sync(folder: &Path) -> anyhow::Result<()> {
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot flush {}", folder.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nexus_api::mint::SystemMint;

    #[test]
    fn one_run_at_a_time_builds_beside_a_folder_and_cleans_up_after_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let place = Place::take(&data).unwrap();
        assert!(Place::take(&data).is_err(), "another one runs");
        let building = place.begin(RESTORING, &SystemMint).unwrap();
        fs::write(building.path().join("half"), "half").unwrap();
        std::mem::forget(building);
        fs::create_dir(folder.path().join("data2.restoring-x")).unwrap();
        fs::create_dir(folder.path().join("data.before-recover-x")).unwrap();
        place.clean_up().unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["data.before-recover-x", "data2.restoring-x"], "other folders stay");
        let building = place.begin(RESTORING, &SystemMint).unwrap();
        fs::write(building.path().join("whole"), "whole").unwrap();
        fs::create_dir(&data).unwrap();
        place.put(building).unwrap();
        assert!(data.join("whole").exists());
    }

    /// The mount point of the system's processes.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_mount_point_is_refused_before_anything_is_built() {
        let refused = check_is_replaceable(Path::new("/proc")).unwrap_err().to_string();
        assert!(
            refused.contains("/proc is a mount point: name a folder in it, such as /proc/data"),
            "{refused}"
        );
        assert!(Place::take(Path::new("/proc")).is_err());
        let folder = tempfile::tempdir().unwrap();
        check_is_replaceable(folder.path()).unwrap();
        check_is_replaceable(&folder.path().join("missing").join("data")).unwrap();
    }

    #[test]
    fn the_lock_of_a_node_needs_a_database_and_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(NodeLock::take(folder.path()).is_err(), "there is no database");
        assert!(!folder.path().join("db").exists());
        fs::create_dir(folder.path().join("db")).unwrap();
        fs::write(folder.path().join("db").join("LOCK"), "").unwrap();
        NodeLock::take(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_is_exchanged_and_the_former_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("former"), "former").unwrap();
        let place = Place::take(&data).unwrap();
        let building = place.begin(RECOVERING, &SystemMint).unwrap();
        fs::write(building.path().join("new"), "new").unwrap();
        let former = place.exchange(building, "t").unwrap();
        assert!(data.join("new").exists() && former.join("former").exists());
        check_is_in_place(&data).unwrap();
    }

    #[test]
    fn no_node_starts_on_what_is_being_built_nor_between_two_renames() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str| check_is_in_place(&folder.path().join(name)).unwrap_err().to_string();
        assert!(refused("data.restoring-1").contains("nexusd restore"));
        assert!(refused("data.recovering-1").contains("nexusd recover"));
        check_is_in_place(&folder.path().join("data")).unwrap();
        fs::create_dir(folder.path().join("data.recovering-1")).unwrap();
        fs::create_dir(folder.path().join("data.before-recover-1")).unwrap();
        let sentence = refused("data");
        assert!(sentence.contains("data.recovering-1") && sentence.contains("data.before-recover-1"));
    }
}
