//! Files of a snapshot in the folder of its run, and the times that they name.

use crate::config::atomic;
use std::{fs, path::Path, time::SystemTime};

/// Replaces a file in the run's folder as a whole.
pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    let new = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = atomic::make_private_folder(folder)
        .and_then(|()| atomic::write_new(&new, text))
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        format!("{} cannot be written: {error}", path.display())
    })
}

/// The present time, in milliseconds of the Unix epoch.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
