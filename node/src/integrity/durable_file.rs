//! Small JSON files in a data folder. Each is replaced as a whole, and durable on return.

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Reads a file; `None` if there is none.
///
/// # Errors
/// When it cannot be read, or is not such a file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    serde_json::from_slice(&text).map(Some).with_context(|| format!("{} is not readable", path.display()))
}

/// Writes a file, for its owner alone. A crash leaves the former content or the new one.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn write(path: &Path, content: &impl Serialize) -> anyhow::Result<()> {
    let write = || {
        let unfinished = path.with_extension("new");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        serde_json::to_writer_pretty(&file, content)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        sync_folder_of(path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Removes a file, durably.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder_of(path)),
    }
    .with_context(|| format!("cannot remove {}", path.display()))
}

/// Makes the names in the folder of a path durable.
///
/// # Errors
/// When the device fails.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
