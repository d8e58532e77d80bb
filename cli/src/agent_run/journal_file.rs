//! The names of the journals in a run's folder. A folder with a journal that has lines is not deleted.

use std::path::Path;

/// The end of a journal's name. A journal that is being reconciled has a number behind it.
pub(crate) const ENDING: &str = ".journal";

/// Whether a file is a journal with lines, of any project.
pub(crate) fn is_journal(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.contains(&format!("{ENDING}.")) || name.ends_with(ENDING)
}
