//! The folders of an engineer's own files: the home folder, which all profiles share, and that of the profile.

use crate::{error::Error, profile::Profile};
use std::path::PathBuf;

/// The path of the home folder, which need not exist yet.
///
/// # Errors
/// When there is none.
pub(crate) fn folder() -> Result<PathBuf, Error> {
    found(Profile::home())
}

/// The path of the folder of this process's profile, which need not exist yet.
///
/// # Errors
/// When there is no home folder, or the name of the profile cannot be read.
pub(crate) fn of_profile() -> Result<PathBuf, Error> {
    found(profile()?.folder())
}

/// The profile of this process.
///
/// # Errors
/// When its name cannot be read.
pub(super) fn profile() -> Result<Profile, Error> {
    Profile::checked().map_err(Error::misused)
}

fn found(folder: Option<PathBuf>) -> Result<PathBuf, Error> {
    folder.ok_or_else(|| {
        Error::misused("there is no home folder to keep the login in")
            .hint("set NEXUS_HOME to a folder of your own")
    })
}
