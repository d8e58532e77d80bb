//! A file system of its own and of little size, for tests of full disks. Gone with the value; what still has
//! files open on it goes on until it lets go.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// The name of the file that takes the space.
const BALLAST: &str = "ballast";
/// What is written at once.
const CHUNK: usize = 64 << 10;

/// A small file system in memory.
pub struct SmallDisk {
    path: PathBuf,
    bytes: u64,
}

impl SmallDisk {
    /// Mounts one of so many MiB at a folder, which is made. None, and a line that says why, where this process
    /// may not mount anything.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn mount(path: &Path, mib: u64) -> Option<Self> {
        fs::create_dir_all(path).expect("the mount point can be made");
        let size = format!("size={mib}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { path: path.to_owned(), bytes: mib << 20 }),
            Ok(output) => {
                crate::patience::skipped(format_args!(
                    "cannot mount: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                ));
                None
            }
            Err(error) => {
                crate::patience::skipped(format_args!("cannot mount: {error}"));
                None
            }
        }
    }

    /// Bytes that are free.
    ///
    /// # Panics
    /// When the file system does not say.
    pub fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.path).expect("a mounted file system says what is free");
        found.f_bavail * found.f_frsize
    }

    /// Fills it until so many bytes are free, or less.
    ///
    /// # Panics
    /// When it cannot be written for another reason than that it is full.
    pub fn fill(&self, leave: u64) {
        let ballast = File::options().create(true).append(true).open(self.path.join(BALLAST));
        let mut ballast = match ballast {
            Ok(ballast) => ballast,
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("the ballast can be opened: {error}"),
        };
        let chunk = vec![7; CHUNK];
        // Others write too; it never takes more chunks than fit on it.
        for _ in 0..self.bytes / CHUNK as u64 + 1 {
            let left = usize::try_from(self.free().saturating_sub(leave)).unwrap_or(usize::MAX);
            if left == 0 {
                return;
            }
            match ballast.write_all(&chunk[..left.min(CHUNK)]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("the ballast can be written: {error}"),
            }
        }
    }

    /// Takes the ballast away.
    pub fn clear(&self) {
        let _ = fs::remove_file(self.path.join(BALLAST));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node may still run on it.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
