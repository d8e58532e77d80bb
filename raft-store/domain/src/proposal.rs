//! Proposals: what an entry of the log carries, complete with times and random values, so that every node computes the
//! same result.

use crate::{
    actor::{Acting, Actor},
    command::Command,
    decide::Context,
    reply_cache::Request,
    state::State,
    time::{Revision, Stamp},
};
use serde::{Deserialize, Serialize};

/// One entry of the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Proposal {
    /// The command to apply.
    pub command: Command,
    /// The identity whose rights are checked.
    pub actor: Actor,
    /// The session that acts; ignored by commands that need none.
    pub acting: Acting,
    /// The identity of the request, by which a retry is recognised. `None` for what the cluster proposes itself.
    pub request: Option<Request>,
    /// The leader's cluster time and wall time when it proposed the entry.
    pub stamp: Stamp,
}

impl Proposal {
    /// The inputs that its rules can read.
    pub(crate) const fn context<'a>(&self, state: &'a State, revision: Revision) -> Context<'a> {
        Context { state, revision, actor: self.actor, acting: self.acting }
    }
}
