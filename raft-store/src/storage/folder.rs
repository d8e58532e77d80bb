//! Plain files beside the database: snapshots and the log's mark.

use crate::error::StoreError;
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A folder of files. A name is durable after [`Folder::sync`], contents after [`File::sync`].
pub trait Folder: Send + Sync + 'static {
    /// The names of the files, in no particular order.
    ///
    /// # Errors
    /// If the device fails.
    fn names(&self) -> Result<Vec<String>, StoreError>;

    /// Creates an empty file, in place of one of this name.
    ///
    /// # Errors
    /// If the device fails or is full.
    fn create(&self, name: &str) -> Result<Arc<dyn File>, StoreError>;

    /// Opens a file; `None` if there is no file of this name.
    ///
    /// # Errors
    /// If the device fails.
    fn open(&self, name: &str) -> Result<Option<Arc<dyn File>>, StoreError>;

    /// Renames a file, in place of one that has the new name.
    ///
    /// # Errors
    /// If the device fails.
    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError>;

    /// Removes a file, which stays readable while it is open. It is no error if there is none.
    ///
    /// # Errors
    /// If the device fails.
    fn remove(&self, name: &str) -> Result<(), StoreError>;

    /// Makes the names of all files durable.
    ///
    /// # Errors
    /// If the device fails; see [`super::Storage::flush`].
    fn sync(&self) -> Result<(), StoreError>;
}

/// An open file.
pub trait File: Send + Sync + 'static {
    /// The length in bytes.
    ///
    /// # Errors
    /// If the device fails.
    fn length(&self) -> Result<u64, StoreError>;

    /// Reads from an offset until the buffer is full or the file ends. Returns the number of bytes.
    ///
    /// # Errors
    /// If the device fails.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError>;

    /// Writes at an offset, growing the file as needed.
    ///
    /// # Errors
    /// If the device fails or is full.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes the content of the file durable.
    ///
    /// # Errors
    /// If the device fails; see [`super::Storage::flush`].
    fn sync(&self) -> Result<(), StoreError>;
}

/// A folder of the operating system.
pub struct OsFolder {
    path: PathBuf,
    /// Whether files may be written.
    may_write: bool,
}

impl OsFolder {
    /// Opens a folder, and creates it if needed.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(|error| StoreError::from_io("making a folder", &error))?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_folder(parent)?;
        }
        Ok(Self { path: path.into(), may_write: true })
    }

    /// A folder whose files are only read. It may be missing.
    pub(crate) fn open_to_read(path: &Path) -> Self {
        Self { path: path.into(), may_write: false }
    }
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    fs::File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::from_io("flushing a folder", &error))
}

impl Folder for OsFolder {
    fn names(&self) -> Result<Vec<String>, StoreError> {
        let failed = |error| StoreError::from_io("listing a folder", &error);
        let mut names = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !self.may_write => return Ok(names),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            // A file whose name is not Unicode is not one of ours.
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> Result<Arc<dyn File>, StoreError> {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.path.join(name))
            .map(|file| Arc::new(OsFile(file)) as Arc<dyn File>)
            .map_err(|error| StoreError::from_io("creating a file", &error))
    }

    fn open(&self, name: &str) -> Result<Option<Arc<dyn File>>, StoreError> {
        match fs::OpenOptions::new().read(true).write(self.may_write).open(self.path.join(name)) {
            Ok(file) => Ok(Some(Arc::new(OsFile(file)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::from_io("opening a file", &error)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        fs::rename(self.path.join(from), self.path.join(to))
            .map_err(|error| StoreError::from_io("renaming a file", &error))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::from_io("removing a file", &error))
            }
            _ => Ok(()),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        sync_folder(&self.path)
    }
}

/// Opens a file outside of the data folder, for reading only.
///
/// # Errors
/// If it is not there or cannot be read.
pub(crate) fn open_to_read(path: &Path) -> Result<Arc<dyn File>, StoreError> {
    fs::File::open(path)
        .map(|file| Arc::new(OsFile(file)) as Arc<dyn File>)
        .map_err(|error| StoreError::from_io("opening the file", &error))
}

struct OsFile(fs::File);

impl File for OsFile {
    fn length(&self) -> Result<u64, StoreError> {
        self.0
            .metadata()
            .map(|metadata| metadata.len())
            .map_err(|error| StoreError::from_io("reading a file's length", &error))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::from_io("reading a file", &error)),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.write_all_at(bytes, offset).map_err(|error| StoreError::from_io("writing a file", &error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.0.sync_all().map_err(|error| StoreError::from_io("flushing a file", &error))
    }
}
