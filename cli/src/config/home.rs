//! The folder of an engineer's own files: `NEXUS_HOME`, or `.nexus` in the home folder.

use crate::error::Error;
use std::{env, path::PathBuf};

/// The path of the folder, which need not exist yet.
///
/// # Errors
/// When there is no home folder.
pub(crate) fn folder() -> Result<PathBuf, Error> {
    from("NEXUS_HOME").or_else(|| env::home_dir().map(|home| home.join(".nexus"))).ok_or_else(|| {
        Error::misused("there is no home folder to keep the login in")
            .hint("set NEXUS_HOME to a folder of your own")
    })
}

/// A path in the environment; set to nothing is as good as not set.
pub(super) fn from(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
