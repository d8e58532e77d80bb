//! Stores a checkpoint of the work that one of the engineer's own sessions does on a feature. A periodic one that
//! repeats the newest one is not stored.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        access::not_found,
        checkpoints::{kept, of_work},
        iterates_many_claims,
        quota::text_within_quota,
        sessions::{renew_lease, require_not_ending},
    },
    document::{CheckpointKind, LogPosition},
    event::Event,
    ids::{CheckpointId, FeatureId, ProjectId, SessionId},
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::{OutOfBudget, WorkBudget},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Steps of copying, sorting and hashing a claimed path.
const CLAIM: usize = 500;

/// Stores a checkpoint of the work on a feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SaveCheckpoint {
    /// The project of the feature.
    pub project: ProjectId,
    /// The checkpoint. Boxed, since it is much larger than other commands.
    pub checkpoint: Box<NewCheckpoint>,
}

/// A checkpoint: a recorded state of the work on a feature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewCheckpoint {
    /// The checkpoint's id.
    pub id: CheckpointId,
    /// The session whose work is recorded. It must belong to the actor.
    pub session: SessionId,
    /// The feature that the work is about.
    pub feature: FeatureId,
    /// The cause of the checkpoint. A periodic one that repeats the newest one is not stored.
    pub kind: CheckpointKind,
    /// The client's own record: the JSON text of an object with sorted keys.
    pub context: Arc<str>,
    /// A note for people.
    pub notes: Option<Arc<str>>,
}

impl Decide for SaveCheckpoint {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, state: &State) -> bool {
        iterates_many_claims(state, self.project)
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, checkpoint: ref new } = *self;
        let engineer = ctx.worker(project)?;
        let session = ctx.own_session(engineer, project, new.session)?;
        require_not_ending(session)?;
        if ctx.state.feature(project, new.feature).is_none() {
            return Err(not_found(EntityKind::Feature, new.feature));
        }
        let held = ctx.state.claims_for(session, new.feature).count();
        work.charge(CLAIM * held).map_err(|OutOfBudget| {
            Refusal::too_much_work("recording all that is claimed for this feature", "give some of it back")
        })?;
        let checkpoint = of_work(
            ctx.state,
            session,
            new.feature,
            new.id,
            new.kind,
            new.context.clone(),
            new.notes.clone(),
        );
        // A checkpoint of a session renews its lease.
        let mut events: Vec<Event> = renew_lease(ctx.state, session).into_iter().collect();
        let latest = ctx.state.latest_checkpoint(project, new.feature);
        let says_nothing_new = latest.is_some_and(|latest| latest.state_hash == checkpoint.state_hash);
        if new.kind == CheckpointKind::AutoPeriodic && says_nothing_new {
            return Ok(Decision::new(events, Reply::DuplicateCheckpoint));
        }
        let is_of_holder = checkpoint.is_of_holder;
        let (saved, key, document) = kept(project, LogPosition::of_command(ctx.revision), checkpoint);
        text_within_quota(ctx, project, engineer.id, &document)?;
        // A checkpoint of another session is stored, but does not become the newest one of the feature.
        events.extend(is_of_holder.then_some(saved));
        Ok(Decision::new(events, Reply::Text(key)).with_document(key, Some(document)))
    }
}
