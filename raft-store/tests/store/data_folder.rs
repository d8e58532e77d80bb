//! Data folders of RocksDB as they are at one moment, also while it is open: what a killed process leaves behind.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder in memory, on systems that have such a place: tests that damage files themselves wait for no disk.
pub(crate) fn temporary() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// A copy of a data folder. It is made again while RocksDB was about to replace its files.
pub(crate) fn copy_of(folder: &Path) -> TempDir {
    loop {
        let copy = temporary();
        let before = files(folder);
        let copied = before.as_ref().is_ok_and(|files| copy_files(files, folder, copy.path()).is_ok());
        if copied && files(folder).is_ok_and(|after| after == before.unwrap()) {
            return copy;
        }
    }
}

/// The newest write-ahead log of a data folder.
pub(crate) fn newest_log(folder: &Path) -> PathBuf {
    let is_log = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "log");
    files(folder).unwrap().keys().filter(is_log).max().expect("RocksDB always has one").clone()
}

/// All files beneath a folder, with their lengths.
fn files(folder: &Path) -> io::Result<BTreeMap<PathBuf, u64>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.insert(entry.path(), entry.metadata()?.len());
        }
    }
    Ok(found)
}

fn copy_files(files: &BTreeMap<PathBuf, u64>, from: &Path, to: &Path) -> io::Result<()> {
    for path in files.keys() {
        let target = to.join(path.strip_prefix(from).expect("it is beneath the folder"));
        fs::create_dir_all(target.parent().expect("it is in a folder"))?;
        fs::copy(path, target)?;
    }
    Ok(())
}
