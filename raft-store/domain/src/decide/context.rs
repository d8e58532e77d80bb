//! The input of a rule: the state and the actor. Nothing in it can be changed.

use crate::{
    actor::{Acting, Actor},
    ids::{EngineerId, KeyId},
    state::State,
    time::{Fence, Revision, WallTime},
};

/// The input of a rule.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) state: &'a State,
    pub(crate) revision: Revision,
    pub(crate) actor: Actor,
    pub(crate) acting: Acting,
}

impl Context<'_> {
    /// The wall time of this entry.
    pub(crate) const fn wall(&self) -> WallTime {
        self.state.clock.wall
    }

    /// The fence of claims that this entry acquires.
    pub(crate) fn fence(&self) -> Fence {
        self.revision.into()
    }

    /// Whether the actor is this engineer.
    pub(crate) fn is_engineer(&self, engineer: EngineerId) -> bool {
        matches!(self.actor, Actor::Engineer { id, .. } if id == engineer)
    }

    /// Whether the actor uses this API key.
    pub(crate) fn uses_key(&self, used: KeyId) -> bool {
        matches!(self.actor, Actor::Engineer { key, .. } if key == used)
    }
}
