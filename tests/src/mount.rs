//! A small file system in memory, for tests of full disks. It is unmounted when the value is dropped; processes with
//! open files on it can still use them.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// The name of the ballast file, which takes the space.
const BALLAST: &str = "ballast";
/// Bytes of the ballast that are written at once.
const CHUNK: usize = 64 << 10;

/// A small file system in memory.
pub struct SmallDisk {
    path: PathBuf,
    bytes: u64,
}

impl SmallDisk {
    /// Makes a folder and mounts a file system of this many MiB there. Prints a line and returns none if this process
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

    /// The number of free bytes.
    ///
    /// # Panics
    /// When the file system does not answer.
    pub fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.path).expect("a mounted file system says what is free");
        found.f_bavail * found.f_frsize
    }

    /// Fills it until this many bytes are free, or fewer.
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
        // Other processes write too. The ballast never has more chunks than the file system can hold.
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

    /// Deletes the ballast.
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
