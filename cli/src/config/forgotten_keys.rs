//! Copies of the keys that logging out, or in with another key, takes out of the login file: a key that is shown
//! nowhere else can be used again. Each is a file with the key alone, as `nexus login --token -` reads it, and readable
//! by its owner alone. It is in the folder of the profile, also where the login file is elsewhere: that may be a
//! repository, to which a key must not be committed.

use super::{atomic, home};
use crate::error::Error;
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// How the name of each copy begins and ends.
const PREFIX: &str = "logged-out-";
const SUFFIX: &str = ".key";
/// Characters of the engineer's name in the name of a copy.
const MAX_NAME: usize = 40;
/// No key is longer; a longer file was not written here.
const MAX_KEY_BYTES: u64 = 1_000;
/// Files that are looked at: nobody logs out more often.
const MAX_FILES: usize = 10_000;

/// Keeps a copy of an engineer's key. Returns where it is.
///
/// # Errors
/// When there is no home folder, or it cannot be written.
pub(crate) fn keep(engineer: &str, key: &str) -> Result<PathBuf, Error> {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let name = engineer.to_lowercase();
    let name = name.chars().map(|letter| if is_plain(letter) { letter } else { '-' });
    let name: String = name.take(MAX_NAME).collect();
    // Another key of the same engineer may be kept already.
    let id = Uuid::now_v7().simple().to_string();
    let folder = home::of_profile()?;
    let path = folder.join(format!("{PREFIX}{name}-{id}{SUFFIX}"));
    let written = atomic::make_private_folder(&folder)
        .and_then(|()| atomic::write(&path, format!("{key}\n").as_bytes()));
    written.map_err(|error| {
        Error::local(format!("cannot keep the key in {}: {error}", path.display()))
            .hint("nexus logout --forget forgets it without a copy")
    })?;
    Ok(path)
}

/// Removes the copies of a key, which is saved again. A copy that stays harms nobody.
pub(crate) fn remove(key: &str) {
    let Ok(folder) = home::of_profile() else { return };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.take(MAX_FILES) {
        let name = entry.file_name();
        let is_copy = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if is_copy && content(&entry.path()).is_some_and(|content| content.trim() == key) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn content(path: &Path) -> Option<String> {
    // A pipe would keep the command waiting, and a link leads elsewhere.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_KEY_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}
