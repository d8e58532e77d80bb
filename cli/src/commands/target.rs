//! The programs that Nexus is installed into: each agent host, and Git.

use crate::{
    error::Error,
    hosts::{AgentHost, HOSTS},
    install::{Operation, Plan, Scope, git},
};

/// A program that Nexus is installed into.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Target {
    /// An agent host: its hooks, its tools, and what its agents read.
    Host(&'static AgentHost),
    /// The hooks of the repository.
    Git,
}

impl Target {
    /// All targets, in the order in which they are listed.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        HOSTS.iter().map(|host| Self::Host(host)).chain([Self::Git])
    }

    /// Its name as an argument.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Host(host) => host.name,
            Self::Git => "git",
        }
    }

    /// Its help as an argument.
    pub(super) const fn help(self) -> &'static str {
        match self {
            Self::Host(host) => host.title,
            Self::Git => "Guards before commit and push",
        }
    }

    /// The program that is started to work with an agent; `None` for Git.
    pub(super) const fn program(self) -> Option<&'static str> {
        match self {
            Self::Host(host) => Some(host.program),
            Self::Git => None,
        }
    }

    /// The place where it was found, for people; `None` if it was not.
    pub(super) fn found(self, scope: &Scope) -> Option<String> {
        match self {
            Self::Host(host) => host.found(scope),
            Self::Git => git::found(scope),
        }
    }

    /// The changes that an operation makes for it.
    ///
    /// # Errors
    /// When a file is not what it should be: then nothing is changed at all.
    pub(super) fn plan(self, scope: &Scope, operation: Operation) -> Result<Plan, Error> {
        match self {
            Self::Host(host) => (host.plan)(scope, operation),
            Self::Git => git::plan(scope, operation),
        }
    }

    /// The limitation that users are informed of after an install.
    pub(super) const fn caveat(self) -> Option<&'static str> {
        match self {
            Self::Host(host) => host.caveat,
            Self::Git => None,
        }
    }

    /// Why it may have been installed although it does not look so.
    pub(super) fn may_be_rewritten(self, scope: &Scope) -> Option<String> {
        match self {
            Self::Host(_) => None,
            Self::Git => git::may_be_rewritten(&scope.root),
        }
    }
}
