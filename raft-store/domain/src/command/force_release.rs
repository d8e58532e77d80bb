//! Releases every claim on exactly one of these paths, whichever session holds it.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        holdings::{self, STEPS_OF_CLAIM, charge_release},
        iterates_many_claims,
    },
    entity::ReleaseReason,
    ids::{FeatureId, ProjectId, SessionId},
    pattern::Pattern,
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    short_text::Label,
    state::State,
    work::{OutOfBudget, WorkBudget},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Releases claims of any session. Only leads and admins may do this.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForceRelease {
    /// The project that the paths belong to.
    pub project: ProjectId,
    /// The paths to release.
    pub paths: Arc<[Pattern]>,
    /// The reason that the event records.
    pub reason: Label,
}

impl Decide for ForceRelease {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, state: &State) -> bool {
        iterates_many_claims(state, self.project)
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.lead(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, ref paths, ref reason } = *self;
        let engineer = ctx.lead(project)?;
        let paths: BTreeSet<&Pattern> = paths.iter().collect();
        let mut taken: BTreeMap<(SessionId, Option<FeatureId>), Vec<Pattern>> = BTreeMap::new();
        let too_many = |OutOfBudget| {
            Refusal::too_much_work("taking all of these claims away", "name fewer paths at once")
        };
        let index = ctx.state.paths(project);
        for path in paths {
            work.charge(STEPS_OF_CLAIM).map_err(too_many)?;
            let Some(index) = index else { break };
            for (held, claim_ref) in index.holders_of(path, work).map_err(too_many)? {
                charge_release(&held, work).map_err(too_many)?;
                taken.entry((claim_ref.session, claim_ref.feature)).or_default().push(held);
            }
        }
        let reason = ReleaseReason::Forced { by: engineer.id, reason: reason.clone() };
        let mut events = Vec::new();
        let mut all = BTreeSet::new();
        for ((session, feature), paths) in taken {
            let session = ctx.state.session(session).expect("every claim belongs to a session that is kept");
            all.extend(paths.iter().cloned());
            events.extend(holdings::released(project, &session.holder(), feature, &paths.into(), &reason));
        }
        Ok(Decision::new(events, Reply::released(all)))
    }
}
