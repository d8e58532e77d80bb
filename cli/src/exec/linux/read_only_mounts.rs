//! The mounts that keep held files from being written, in the mount namespace of this process.
//!
//! A held file, or folder, is mounted onto itself, read-only: it cannot be written, and not be replaced, moved or
//! removed, since it is a mount point. Every folder between it and the root is mounted onto itself, too, but writable:
//! otherwise the folder could be moved away and replaced.

use super::{foreign_mounts::ForeignMounts, namespace};
use crate::exec::{portable, protection::UncoveredReason};
use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, ResolveFlags, StatVfsMountFlags, Statx, StatxAttributes, StatxFlags,
        fstat, fstatvfs, open, openat2, statx,
    },
    io::Errno,
    mount::{
        MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_bind, mount_bind_recursive,
        mount_remount, move_mount, open_tree, unmount,
    },
    process::fchdir,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

/// The number of mounts over a file before the command starts: they are locked in the command's namespace.
const AT_FIRST: u8 = 1;

/// The number of mounts over a file later on. Of propagated mounts, the lowest is not locked, but those on it are:
/// in an earlier user namespace of its own, a command cannot unmount the top one. It can still mount
/// the folder around it elsewhere without it, see docs/security.md.
const LATER: u8 = 2;

/// The mounts in one checkout.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReadOnlyMounts {
    /// The root of the checkout, without symbolic links.
    #[serde(with = "portable::one")]
    root: PathBuf,
    /// The folders that are mount points, so that they cannot be moved.
    #[serde(with = "portable::many")]
    folders: BTreeSet<PathBuf>,
    /// The paths that are mounted read-only, with the number of mounts.
    #[serde(with = "portable::counted")]
    mounted: BTreeMap<PathBuf, u8>,
    /// The paths that shall be mounted read-only.
    #[serde(with = "portable::many")]
    wanted: BTreeSet<PathBuf>,
}

impl ReadOnlyMounts {
    /// Mounts the existing ones of these paths, before any command runs in this namespace. Also returns the failed
    /// ones. Changes the current folder.
    ///
    /// # Errors
    /// When the checkout cannot be opened.
    pub(super) fn mount_all(
        root: &Path,
        paths: &[PathBuf],
    ) -> io::Result<(Self, Vec<(PathBuf, UncoveredReason)>)> {
        let mut mounts = Self {
            root: root.to_owned(),
            folders: BTreeSet::new(),
            mounted: BTreeMap::new(),
            wanted: paths.iter().cloned().collect(),
        };
        let root = open_root(&mounts.root)?;
        let mut refused = mounts.hold_folders(&root, paths);
        // Mounts of folders have the flags of the root's mount.
        let folders = mounts.folders.iter().map(PathBuf::as_path).chain([Path::new(".")]);
        let known: Vec<u64> = folders.filter_map(|at| Some(look_at(&root, at).ok()?.stx_mnt_id)).collect();
        let foreign = ForeignMounts::beneath(&mounts.root, |path| mounts.folders.contains(path));
        // None if a mount in it is locked, as within another `nexus exec`: then each file is mounted by itself.
        let view = ReadOnlyView::of(&root, &mounts.root).ok();
        // Short paths are found sooner.
        fchdir(&root)?;
        let mut made = Vec::with_capacity(paths.len());
        let mut last = None;
        for path in paths {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            if last != Some(above) && above.is_some_and(|above| !mounts.folders.contains(above)) {
                // The path is behind a link, or missing: reported for the folder, or here.
                refused.push((
                    path.clone(),
                    beneath(&root, path).err().map_or(UncoveredReason::Refused, |error| gap(&error)),
                ));
                continue;
            }
            last = Some(above);
            let mounted = look_at(&root, path).and_then(|stat| match &view {
                Some(view) if is_file(&stat) && known.contains(&stat.stx_mnt_id) => view.mount(path),
                _ => make_read_only(&root, path, &foreign).map(drop),
            });
            match mounted {
                Ok(()) => made.push((path.clone(), AT_FIRST)),
                Err(error) => refused.push((path.clone(), gap(&error))),
            }
        }
        drop(view);
        mounts.mounted = made.into_iter().collect();
        Ok((mounts, refused))
    }

    /// The paths that are mounted read-only.
    pub(super) fn mounted(&self) -> BTreeSet<PathBuf> {
        self.mounted.keys().cloned().collect()
    }

    /// Sets the paths that shall be read-only from now on.
    pub(super) fn want(&mut self, paths: BTreeSet<PathBuf>) {
        self.wanted = paths;
    }

    /// Unmounts paths that shall no longer be mounted, and mounts missing ones: also new files, and
    /// replaced files, whose mounts the replacement removed in all namespaces.
    ///
    /// # Errors
    /// When the system refuses it. Failed mounts are tried again the next time.
    pub(super) fn adjust(&mut self) -> io::Result<()> {
        let root = open_root(&self.root)?;
        let over: Vec<PathBuf> =
            self.mounted.keys().filter(|path| !self.wanted.contains(*path)).cloned().collect();
        for path in over {
            let times = self.mounted.get(&path).copied().unwrap_or_default();
            if make_writable(&root, &path, times).is_ok() {
                self.mounted.remove(&path);
            }
        }
        let is_missing = |path: &&PathBuf| match beneath(&root, path) {
            Ok(file) => is_mountable(&file) && !(self.mounted.contains_key(*path) && is_mount(&file)),
            Err(_) => false,
        };
        let missing: Vec<PathBuf> = self.wanted.iter().filter(is_missing).cloned().collect();
        if missing.is_empty() { Ok(()) } else { self.mount(&root, &missing) }
    }

    /// Mounts paths read-only for other namespaces at once: the mounts are prepared in a private namespace, and then
    /// moved here.
    fn mount(&mut self, root: &OwnedFd, paths: &[PathBuf]) -> io::Result<()> {
        self.hold_folders(root, paths);
        let here = namespace::of_mounts()?;
        namespace::step_aside()?;
        let is_ours = |path: &Path| self.folders.contains(path) || self.mounted.contains_key(path);
        let foreign = ForeignMounts::beneath(&self.root, is_ours);
        let made = open_root(&self.root).map(|aside| {
            let tree = |path: &PathBuf| Some((path.clone(), stacked(&aside, path, &foreign).ok()?));
            paths.iter().filter_map(tree).collect::<Vec<_>>()
        });
        namespace::into_mounts(here.as_fd())?;
        let root = open_root(&self.root)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        let mut failed = None;
        for (path, tree) in made? {
            let moved =
                beneath(&root, &path).and_then(|target| Ok(move_mount(&tree, "", &target, "", flags)?));
            match moved {
                Ok(()) => drop(self.mounted.insert(path, LATER)),
                // The other paths are mounted all the same.
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Makes mount points of the folders above these paths. Returns the failed ones.
    fn hold_folders(&mut self, root: &OwnedFd, paths: &[PathBuf]) -> Vec<(PathBuf, UncoveredReason)> {
        let mut above: BTreeSet<&Path> = BTreeSet::new();
        let mut last = None;
        for path in paths {
            // Paths are in order: most have the folder of the one before.
            if last != path.parent() {
                last = path.parent();
                above.extend(path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()));
            }
        }
        // Outer folders come first in the order of the set.
        let mut refused = Vec::new();
        for folder in above {
            if self.folders.contains(folder) && beneath(root, folder).is_ok_and(|folder| is_mount(&folder)) {
                continue;
            }
            let held = beneath(root, folder).and_then(|at| {
                let at = link_to(&at);
                Ok(mount_bind_recursive(&at, &at)?)
            });
            match held {
                Ok(()) => drop(self.folders.insert(folder.to_owned())),
                // The paths in it do not exist either, which is reported there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => refused.push((folder.to_owned(), gap(&error))),
            }
        }
        refused
    }
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    Ok(open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A file or folder beneath the root, behind no link.
fn beneath(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(openat2(root, path, flags, Mode::empty(), resolve)?)
}

/// The path of an open file: for calls that know paths alone.
fn link_to(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The metadata of a path beneath the root. A symbolic link at its end is not followed.
fn look_at(root: &OwnedFd, path: &Path) -> io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_DONT_SYNC;
    Ok(statx(root, path, flags, StatxFlags::TYPE | StatxFlags::MNT_ID)?)
}

fn is_file(stat: &Statx) -> bool {
    FileType::from_raw_mode(u32::from(stat.stx_mode)).is_file()
}

/// The whole checkout read-only, on top of itself, while mounts are made of it: a mount of a read-only mount is
/// read-only at once, which takes a third of the calls.
struct ReadOnlyView {
    root: PathBuf,
}

impl ReadOnlyView {
    fn of(below: &OwnedFd, root: &Path) -> io::Result<Self> {
        let at = link_to(below);
        mount_bind(&at, &at)?;
        let view = Self { root: root.to_owned() };
        let files = open_root(root)?;
        mount_remount(link_to(&files), MountFlags::BIND | MountFlags::RDONLY | kept(&files)?, "")?;
        Ok(view)
    }

    /// Mounts a file of the view, which must not be behind a link. The current folder is the root beneath.
    fn mount(&self, path: &Path) -> io::Result<()> {
        Ok(mount_bind(self.root.join(path), path)?)
    }
}

impl Drop for ReadOnlyView {
    fn drop(&mut self) {
        // The view is on top: without it, the mounts beneath it are visible. If it stayed, the whole checkout would be
        // read-only.
        let _ = unmount(&self.root, UnmountFlags::DETACH);
    }
}

fn kind(file: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(file)?.st_mode))
}

fn is_mountable(file: &OwnedFd) -> bool {
    matches!(kind(file), Ok(FileType::RegularFile | FileType::Directory))
}

/// Whether something is mounted there.
fn is_mount(file: &OwnedFd) -> bool {
    let stat = statx(file, "", AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, StatxFlags::empty());
    // Linux before 5.8 does not report it: there a read-only file counts as a mount.
    let is_read_only = || fstatvfs(file).is_ok_and(|of| of.f_flag.contains(StatVfsMountFlags::RDONLY));
    stat.is_ok_and(|stat| {
        let is_said = stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
        if is_said { stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) } else { is_read_only() }
    })
}

/// Mounts a path onto itself, read-only. Returns the mount.
fn make_read_only(root: &OwnedFd, path: &Path, foreign: &ForeignMounts) -> io::Result<OwnedFd> {
    let below = beneath(root, path)?;
    match kind(&below)? {
        FileType::RegularFile | FileType::Directory => {}
        FileType::Symlink => return Err(Errno::LOOP.into()),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    bind(&link_to(&below), foreign.are_in(path))?;
    // The flag applies to one mount and not to those in it. Inner mounts come first, while all can be reached.
    for inner in foreign.within(path) {
        remount_read_only(&beneath(root, inner)?)?;
    }
    let mount = beneath(root, path)?;
    remount_read_only(&mount)?;
    Ok(mount)
}

fn remount_read_only(mount: &OwnedFd) -> io::Result<()> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | kept(mount)?;
    Ok(mount_remount(link_to(mount), flags, "")?)
}

/// Mounts a path onto itself, with the mounts in it if they are wanted or locked.
fn bind(at: &str, with_others: bool) -> io::Result<()> {
    if with_others || mount_bind(at, at).is_err() {
        mount_bind_recursive(at, at)?;
    }
    Ok(())
}

/// The flags of a mount that an unprivileged namespace may not clear.
fn kept(mount: &OwnedFd) -> io::Result<MountFlags> {
    let now = fstatvfs(mount)?.f_flag;
    let pairs = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let kept = pairs.into_iter().filter(|(seen, _)| now.contains(*seen)).map(|(_, flag)| flag);
    Ok(kept.fold(MountFlags::empty(), MountFlags::union))
}

/// Two stacked read-only mounts of a path, in a private namespace.
fn stacked(aside: &OwnedFd, path: &Path, foreign: &ForeignMounts) -> io::Result<OwnedFd> {
    let lower = make_read_only(aside, path, foreign)?;
    // A mount of a read-only mount is read-only.
    bind(&link_to(&lower), foreign.are_in(path))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(&lower, "", flags)?)
}

/// Unmounts the mounts over a path.
fn make_writable(root: &OwnedFd, path: &Path, times: u8) -> io::Result<()> {
    for _ in 0..times {
        let mount = match beneath(root, path) {
            Ok(mount) if is_mount(&mount) => mount,
            // It was removed or replaced, and the mount with it.
            _ => return Ok(()),
        };
        let is_folder = kind(&mount).is_ok_and(FileType::is_dir);
        if !is_folder {
            unmount(link_to(&mount), UnmountFlags::DETACH)?;
            continue;
        }
        // A process in the folder could not leave it upwards any more: it is unmounted once no process has it as its
        // current folder, or open.
        let at = std::fs::read_link(link_to(&mount))?;
        drop(mount);
        unmount(at, UnmountFlags::NOFOLLOW)?;
    }
    Ok(())
}

fn gap(error: &io::Error) -> UncoveredReason {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NOTDIR) => UncoveredReason::Missing,
        Some(Errno::LOOP) => UncoveredReason::Link,
        None => UncoveredReason::NoFile,
        _ => UncoveredReason::Refused,
    }
}
