//! Checks storage quotas. A quota never removes what is stored already: after it was lowered, its owner cannot store
//! more.

use super::context::Context;
use crate::{
    document::Document,
    ids::{EngineerId, ProjectId},
    refusal::Refusal,
    state::State,
    usage::{Owner, Resource, Usage},
};

/// Projects of one cluster: bounds memory.
pub(crate) const MAX_PROJECTS: usize = 10_000;

/// Refuses what would exceed the quota of the project, the engineer or the cluster.
pub(crate) fn within_quota(
    ctx: Context<'_>,
    project: ProjectId,
    engineer: EngineerId,
    more: Usage,
) -> Result<(), Refusal> {
    within_quotas_of(ctx.state, [Owner::Project(project), Owner::Engineer(engineer), Owner::Cluster], more)
}

/// Refuses what would exceed the quota of one of these owners.
pub(crate) fn within_quotas_of(
    state: &State,
    owners: impl IntoIterator<Item = Owner>,
    more: Usage,
) -> Result<(), Refusal> {
    let quotas = &state.settings.quotas;
    for owner in owners {
        let used = state.usage(owner);
        for resource in Resource::ALL {
            let Some(quota) = owner.quota(quotas, resource) else { continue };
            let (used, more) = (resource.of(used), resource.of(more));
            if more > 0 && used.saturating_add(more) > quota {
                return Err(Refusal::QuotaExceeded { owner, resource, used, more, quota });
            }
        }
    }
    Ok(())
}

/// Refuses a text that would exceed a quota.
pub(crate) fn text_within_quota(
    ctx: Context<'_>,
    project: ProjectId,
    engineer: EngineerId,
    text: &Document,
) -> Result<(), Refusal> {
    within_quota(ctx, project, engineer, Usage::of_text(text).unwrap_or_default())
}
