//! Writes a small file whole or not at all. Never leaves a file that others may read when it must not.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone.
    Owner,
    /// Whoever the system's habit allows.
    Everyone,
}

/// Replaces the content of `path`.
///
/// # Errors
/// When the folder cannot be written to; the file is then as it was.
pub(crate) fn write(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    // In the same folder: a rename across file systems would be no single step.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
    let temporary = Path::new(&temporary);
    let written = fill(temporary, content, readers).and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        // What went wrong is told already; a left-over file is not worth another message.
        let _ = fs::remove_file(temporary);
    }
    written
}

fn fill(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    restrict(&mut options, readers);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    // Before the rename: a crash must not leave the new name with no content.
    file.sync_all()
}

#[cfg(unix)]
fn restrict(options: &mut OpenOptions, readers: Readers) {
    use std::os::unix::fs::OpenOptionsExt;
    if readers == Readers::Owner {
        options.mode(0o600);
    }
}

/// Elsewhere a home folder is readable by its owner alone.
#[cfg(not(unix))]
fn restrict(_: &mut OpenOptions, _: Readers) {}

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
