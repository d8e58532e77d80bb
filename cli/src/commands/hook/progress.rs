//! The progress of a check of an event, for an answer when the deadline passes.

use super::affected_files::EventScope;
use crate::{
    config::{login::LoginFile, policy::Policy},
    guard::checkout::LinkedCheckout,
};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// The findings about an event so far.
#[derive(Clone, Debug, Default)]
pub(super) struct EventProgress(Arc<Mutex<Findings>>);

/// The knowledge about an event when its deadline passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// The policy of the folder that the agent works in.
    pub(super) policy: Option<Policy>,
    /// Whether the agent works in a linked repository.
    pub(super) is_linked: bool,
    /// The files that it is about.
    pub(super) scope: EventScope,
}

impl EventProgress {
    /// The policy of the folder that the agent works in.
    pub(super) fn find_policy(&self, folder: &Path) {
        let link = LinkedCheckout::of(folder).ok().flatten().map(|checkout| checkout.link);
        let login = LoginFile::locate().and_then(|file| file.read()).ok();
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.policy = Some(Policy::find(link.as_ref(), login.as_ref()));
        found.is_linked = link.is_some();
    }

    /// The policy that was found; before [`EventProgress::find_policy`] that of the environment, or the default.
    pub(super) fn policy(&self) -> Policy {
        self.found().policy.unwrap_or_else(|| Policy::find(None, None))
    }

    /// Remembers which files the event is about, for an answer at the deadline.
    pub(super) fn note(&self, scope: &EventScope) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).scope = scope.clone();
    }

    /// All of it so far.
    pub(super) fn found(&self) -> Findings {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
