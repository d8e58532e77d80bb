//! Releases paths that were claimed outside of a pick, also those that were claimed for a feature.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        holdings::{self, STEPS_OF_CLAIM, charge_release},
        iterates_many_claims,
        sessions::acting_session,
    },
    entity::ReleaseReason,
    ids::{FeatureId, ProjectId},
    pattern::{Pattern, SpelledIndex},
    refusal::Refusal,
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::{OutOfBudget, WorkBudget},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

/// Releases claims that were made by [`ClaimPaths`](super::ClaimPaths).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReleasePaths {
    /// The project that the paths belong to.
    pub project: ProjectId,
    /// The paths to release. `None` means all of the session's.
    pub paths: Option<Arc<[Pattern]>>,
}

impl Decide for ReleasePaths {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: false, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, state: &State) -> bool {
        iterates_many_claims(state, self.project)
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, ref paths } = *self;
        let engineer = ctx.worker(project)?;
        let (session, alive) = acting_session(ctx, engineer, project)?;
        // A project without claims has no index.
        let nothing = SpelledIndex::new(ctx.state.case_of(project));
        let index = ctx.state.paths(project).unwrap_or(&nothing);
        let mut wanted = BTreeSet::new();
        for path in paths.iter().flat_map(|paths| paths.iter()) {
            wanted.insert(index.compared(path, work).map_err(too_many_claims)?);
        }
        // The paths of a pick are released together with the feature, or by an update of its paths.
        let mut picked_with: BTreeMap<Option<FeatureId>, BTreeSet<&Pattern>> = BTreeMap::new();
        let mut released: BTreeMap<Option<FeatureId>, Vec<Pattern>> = BTreeMap::new();
        for (key, _) in ctx.state.claims_of(&session) {
            work.charge(STEPS_OF_CLAIM).map_err(too_many_claims)?;
            if paths.is_some()
                && !wanted.contains(&*index.compared(&key.path, work).map_err(too_many_claims)?)
            {
                continue;
            }
            let own = match picked_with.entry(key.feature) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let feature = key.feature.and_then(|id| ctx.state.feature(key.project, id));
                    let own = feature.map(|feature| feature.touches.iter().chain(&*feature.reads));
                    let own: BTreeSet<&Pattern> = own.into_iter().flatten().collect();
                    work.charge(STEPS_OF_CLAIM * own.len()).map_err(too_many_claims)?;
                    unknown.insert(own)
                }
            };
            if !own.contains(&key.path) {
                charge_release(&key.path, work).map_err(too_many_claims)?;
                released.entry(key.feature).or_default().push(key.path.clone());
            }
        }
        let (mut events, holder) = (vec![alive], session.holder());
        for (feature, paths) in &released {
            let paths = paths.as_slice().into();
            events.extend(holdings::released(project, &holder, *feature, &paths, &ReleaseReason::Released));
        }
        Ok(Decision::new(events, Reply::released(released.into_values().flatten())))
    }
}

fn too_many_claims(_: OutOfBudget) -> Refusal {
    Refusal::too_much_work("looking at all of these claims", "name fewer paths at once, or end the session")
}
