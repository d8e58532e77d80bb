//! The usage of each quota, for callers with the right to read it.

use nexus_api_types::cluster as wire;
use nexus_domain::{
    ProjectId, State,
    entity::{ApiKey, Engineer, Role},
    usage::{Owner, Resource, Usage},
};

/// Quotas of projects and engineers that are shown; the fullest ones.
const MAX_SHOWN: usize = 10;

/// The quotas that an engineer may see: the cluster's, then the fullest of their own and of their projects. An admin
/// sees those of all projects and engineers.
pub(crate) fn seen_by(state: &State, engineer: &Engineer, key: &ApiKey) -> Vec<wire::QuotaUse> {
    let mut found: Vec<wire::QuotaUse> = if engineer.role == Role::Admin && key.project.is_none() {
        state.usages().skip(1).flat_map(|(owner, usage)| of(state, owner, usage)).collect()
    } else {
        let in_scope = |id: &ProjectId| key.project.is_none_or(|scope| scope == *id);
        let projects = state.projects_of(engineer.id).map(|project| project.id).filter(in_scope);
        let owners = projects.map(Owner::Project).chain([Owner::Engineer(engineer.id)]);
        owners.flat_map(|owner| of(state, owner, state.usage(owner))).collect()
    };
    found.sort_by(|a, b| share(b).total_cmp(&share(a)));
    found.truncate(MAX_SHOWN);
    let cluster = of(state, Owner::Cluster, state.usage(Owner::Cluster));
    cluster.chain(found).collect()
}

/// The used share of the fullest quota; 1 is full.
pub(crate) fn fullest(state: &State) -> f64 {
    let quotas = state.settings().quotas;
    let shares = state.usages().flat_map(|(owner, usage)| {
        let share = move |resource: Resource| {
            owner.quota(&quotas, resource).map(|quota| ratio(resource.of(usage), quota))
        };
        Resource::ALL.into_iter().filter_map(share)
    });
    shares.fold(0.0, f64::max)
}

fn of(state: &State, owner: Owner, usage: Usage) -> impl Iterator<Item = wire::QuotaUse> + '_ {
    Resource::ALL.into_iter().filter_map(move |resource| {
        Some(wire::QuotaUse {
            owner: owner.kind().to_owned(),
            name: name(state, owner),
            resource: resource.name().to_owned(),
            used: resource.of(usage),
            quota: owner.quota(&state.settings().quotas, resource)?,
        })
    })
}

/// The name of an owner, or the id of one that is deleted.
fn name(state: &State, owner: Owner) -> Option<String> {
    match owner {
        Owner::Cluster => None,
        Owner::Project(id) => {
            Some(state.project(id).map_or_else(|| id.to_string(), |project| project.slug.to_string()))
        }
        Owner::Engineer(id) => {
            Some(state.engineer(id).map_or_else(|| id.to_string(), |engineer| engineer.name.to_string()))
        }
    }
}

fn share(of: &wire::QuotaUse) -> f64 {
    ratio(of.used, of.quota)
}

#[allow(clippy::cast_precision_loss)]
fn ratio(used: u64, quota: u64) -> f64 {
    used as f64 / quota.max(1) as f64
}
