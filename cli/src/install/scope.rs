//! The scope of an install: the settings of a repository, or those of a person.

use super::location::Base;
use crate::{
    config::{link, login::LoginFile, policy::Policy},
    error::Error,
};
use std::{env, path::PathBuf};

/// The place of the settings: a repository, or a home folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// The home folder, when the settings are those of a person and not of a repository.
    pub(crate) home: Option<PathBuf>,
    /// Whether nothing is to be written that nobody has checked, even if a hook cannot be run.
    pub(crate) is_closed: bool,
}

impl Scope {
    /// The repository around the current folder; the home folder for what is a person's own.
    ///
    /// # Errors
    /// When there is no such folder.
    pub(crate) fn here(user: bool) -> Result<Self, Error> {
        let here = env::current_dir()
            .map_err(|error| Error::local(format!("cannot tell the current folder: {error}")))?;
        let root = link::root_of(&here);
        let no_home = || Error::misused("there is no home folder");
        let home = user.then(|| env::home_dir().ok_or_else(no_home)).transpose()?;
        let is_closed = policy(user) == Policy::FailClosed;
        Ok(Self { root, home, is_closed })
    }

    /// A folder of settings: in the repository, or in the home folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.home.as_ref().unwrap_or(&self.root).join(name)
    }

    /// The scope of the changed files.
    pub(crate) fn base(&self) -> Base {
        self.home.clone().map_or_else(|| Base::Repository(self.root.clone()), Base::Home)
    }

    /// Whether the settings are those of a person, for all of their repositories.
    pub(crate) const fn is_user(&self) -> bool {
        self.home.is_some()
    }
}

/// The policy of the repository; of a person, in all of their repositories, what they set for themselves.
fn policy(user: bool) -> Policy {
    let login = LoginFile::locate().and_then(|file| file.read()).ok();
    let here = link::find().ok().flatten().filter(|_| !user).map(|found| found.link);
    Policy::find(here.as_ref(), login.as_ref())
}
