//! Claims paths outside of a pick, all or none.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        access::not_found,
        are_expensive,
        conflicts::{conflicts, holder_note},
        holdings::{self, within_limit, within_limit_of_feature},
        lists::{check_patterns, distinct},
        sessions::acting_session,
    },
    entity::{ClaimKey, ClaimMode, Status},
    ids::{FeatureId, ProjectId},
    pattern::Pattern,
    refusal::{EntityKind, MAX_LISTED, Refusal},
    reply::Reply,
    rules::RulesVersion,
    state::State,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Claims paths in addition to those of a pick: all of them or none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClaimPaths {
    /// The project that the paths belong to.
    pub project: ProjectId,
    /// The paths to claim, at most 10,000.
    pub paths: Arc<[Pattern]>,
    /// Whether others may hold a shared claim on the same paths.
    pub mode: ClaimMode,
    /// The feature whose end also releases the claims. `None` means they last until the session releases them.
    pub feature: Option<FeatureId>,
}

impl Decide for ClaimPaths {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: Some(self.project) }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        are_expensive(self.paths.iter())
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.worker(self.project).map(drop)
    }

    fn decide(&self, ctx: Context<'_>, work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { project, ref paths, mode, feature } = *self;
        let engineer = ctx.worker(project)?;
        let (session, alive) = acting_session(ctx, engineer, project)?;
        let paths = distinct(paths);
        check_patterns("paths", &paths, &[])?;
        if let Some(id) = feature {
            let feature = ctx.state.feature(project, id).ok_or_else(|| not_found(EntityKind::Feature, id))?;
            let Status::Active { holder, .. } = &feature.status else {
                let status = feature.status.to_string();
                return Err(Refusal::NotActive { slug: feature.slug.clone(), status });
            };
            if holder.session != session.id {
                let by = Box::new(holder_note(ctx.state, holder));
                return Err(Refusal::NotHolder { slug: feature.slug.clone(), by });
            }
        }
        let held = |path: &Pattern| {
            let key = ClaimKey { project, session: session.id, feature, path: path.clone() };
            ctx.state.claims.get(&key)
        };
        // Paths that are held already do not count again.
        let more = || paths.iter().filter(|path| held(path).is_none());
        within_limit(ctx, &session, more())?;
        if let Some(feature) = feature {
            within_limit_of_feature(ctx, &session, feature, more())?;
        }
        let conflicts = conflicts(ctx.state, project, [(&*paths, mode)], Some(session.id), MAX_LISTED, work)?;
        if !conflicts.is_empty() {
            return Err(Refusal::FilesClaimed { conflicts });
        }
        // A claim that exists keeps its fence, unless it changes from shared to exclusive.
        let new: Arc<[Pattern]> = paths
            .iter()
            .filter(|path| {
                held(path).is_none_or(|held| held.mode == ClaimMode::Shared && mode == ClaimMode::Exclusive)
            })
            .cloned()
            .collect();
        let mut events = vec![alive];
        events.extend(holdings::claimed(ctx, project, &session.holder(), feature, &new, mode));
        Ok(Decision::new(events, Reply::Claimed(Arc::new(session))))
    }
}
