//! Writes a small private file as a whole or not at all, so that only its owner can read it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Replaces the content of `path`, which only its owner may read.
///
/// # Errors
/// When the folder cannot be written to; the file is then as it was.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, |temporary| fill(temporary, content))
}

/// Writes a new file that only its owner may read, and does not wait for the disk.
///
/// # Errors
/// When it is there, or cannot be written.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    write_to(path, content).map(drop)
}

/// Replaces the content of a file that only its owner may read, and does not wait for the disk: after a crash of the
/// machine it may be empty. For what can be found out again.
///
/// # Errors
/// When the folder cannot be written to; the file is then as it was.
pub(crate) fn write_unsynced(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, |temporary| write_new(temporary, content))
}

fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    // In the same folder: a rename across file systems would be no single step.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
    let temporary = Path::new(&temporary);
    let written = write(temporary).and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        // The error is reported already; a file that is left over is not worth another message.
        let _ = fs::remove_file(temporary);
    }
    written
}

fn fill(path: &Path, content: &[u8]) -> io::Result<()> {
    // Before the rename: a crash must not leave the new name with no content.
    write_to(path, content)?.sync_all()
}

fn write_to(path: &Path, content: &[u8]) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Elsewhere a home folder is readable by its owner alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    Ok(file)
}

/// Makes the folder of a file that only its owner may read.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}
