//! Installs Nexus into the agent hosts and the git hooks of a repository, and removes exactly that again.
//!
//! - [`target`]: what Nexus can be installed into. [`plan`]: the changes, shown before they are made. [`location`]: where
//!   a file is, and which links are followed.
//! - [`json`]: entries in settings of others, which keep everything else. [`block`]: marked lines in texts.
//!   [`memory`]: the earlier content of such a file, where it cannot be derived from the present one.
//! - [`claude`], [`codex`], [`cursor`], [`gemini`], [`git`]: the files that each of them reads.
//! - [`plugin`]: the same as a plugin folder for Claude Code. [`skill`]: the text about Nexus for agents.

mod block;
mod claude;
mod codex;
mod cursor;
mod gemini;
mod git;
mod json;
mod location;
mod memory;
mod plan;
mod plugin;
mod skill;
mod target;

use location::Base;
pub(crate) use plan::{Change, Plan};
pub(crate) use plugin::plugin;
pub(crate) use target::{Target, on_path};

use crate::{
    config::{link, login::LoginFile},
    error::Error,
    guard::policy::Policy,
};
use std::{env, path::PathBuf};

/// Where settings are kept.
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
    fn folder(&self, name: &str) -> PathBuf {
        self.home.as_ref().unwrap_or(&self.root).join(name)
    }

    /// Whose files are changed.
    pub(crate) fn base(&self) -> Base {
        self.home.clone().map_or_else(|| Base::Repository(self.root.clone()), Base::Home)
    }

    const fn is_user(&self) -> bool {
        self.home.is_some()
    }
}

/// The policy of the repository; of a person, in all of their repositories, what they set for themselves.
fn policy(user: bool) -> Policy {
    let login = LoginFile::locate().and_then(|file| file.read()).ok();
    let here = link::find().ok().flatten().filter(|_| !user).map(|found| found.link);
    Policy::find(here.as_ref(), login.as_ref())
}

/// Whether to install or to uninstall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Hooks and tools are put in.
    Install,
    /// Hooks and tools are taken out again.
    Uninstall,
}

/// What is to be known of a target that is not wired as it should be, though it may have been.
pub(crate) fn may_be_rewritten(target: Target, scope: &Scope) -> Option<String> {
    match target {
        Target::Git => git::may_be_rewritten(&scope.root),
        Target::Claude | Target::Codex | Target::Cursor | Target::Gemini => None,
    }
}

/// What has to be changed for one target.
///
/// # Errors
/// When a file is not what it should be: then nothing is changed at all.
pub(crate) fn plan(target: Target, scope: &Scope, operation: Operation) -> Result<Plan, Error> {
    match target {
        Target::Claude => claude::plan(scope, operation),
        Target::Codex => codex::plan(scope, operation),
        Target::Cursor => cursor::plan(scope, operation),
        Target::Gemini => gemini::plan(scope, operation),
        Target::Git => git::plan(scope, operation),
    }
}
