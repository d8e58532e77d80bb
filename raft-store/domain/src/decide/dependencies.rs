//! Dependencies of features: finds open ones, and checks that they form no cycle.

use super::{access::not_found, context::Context};
use crate::{
    entity::Feature,
    ids::ProjectId,
    refusal::{EntityKind, Refusal},
    short_text::Slug,
    state::State,
    work::{OutOfBudget, WorkBudget},
};
use std::collections::BTreeSet;

/// Steps of looking up one more feature.
pub const STEPS_OF_FEATURE: usize = 150;
/// Dependencies of one feature.
pub const MAX_DEPENDENCIES: usize = 100;

/// The dependencies of a feature that are neither done nor cancelled.
pub(crate) fn open_dependencies(
    state: &State,
    feature: &Feature,
    work: &mut WorkBudget,
) -> Result<Vec<Slug>, Refusal> {
    let cost = STEPS_OF_FEATURE * feature.depends_on.len();
    work.charge(cost).map_err(|OutOfBudget| {
        Refusal::too_much_work(
            "looking at what features depend on",
            "name fewer features, or cut their dependencies",
        )
    })?;
    let is_open = |slug: &&Slug| {
        // A dependency that was deleted blocks nothing.
        state.feature_by_slug(feature.project, slug).is_some_and(|needed| !needed.status.is_over())
    };
    Ok(feature.depends_on.iter().filter(is_open).cloned().collect())
}

/// Refuses dependencies that are too many, do not exist, or would form a cycle.
pub(crate) fn check_dependencies(
    ctx: Context<'_>,
    project: ProjectId,
    slug: &Slug,
    depends_on: &[Slug],
    work: &mut WorkBudget,
) -> Result<(), Refusal> {
    if depends_on.len() > MAX_DEPENDENCIES {
        return Err(Refusal::TooMany { what: "dependsOn".to_owned(), limit: MAX_DEPENDENCIES as u64 });
    }
    let mut seen = BTreeSet::new();
    for needed in depends_on {
        if needed != slug && ctx.state.feature_by_slug(project, needed).is_none() {
            return Err(not_found(EntityKind::Feature, needed));
        }
        if leads_to(ctx, project, needed, slug, &mut seen, work)? {
            return Err(Refusal::DependencyCycle { slug: slug.clone(), through: needed.clone() });
        }
    }
    Ok(())
}

/// Whether following dependencies from one feature reaches another. Features that were seen before do not reach it.
fn leads_to<'a>(
    ctx: Context<'a>,
    project: ProjectId,
    from: &'a Slug,
    to: &Slug,
    seen: &mut BTreeSet<&'a Slug>,
    work: &mut WorkBudget,
) -> Result<bool, Refusal> {
    let mut next = vec![from];
    while let Some(slug) = next.pop() {
        if slug == to {
            return Ok(true);
        }
        if seen.insert(slug)
            && let Some(feature) = ctx.state.feature_by_slug(project, slug)
        {
            // Every named dependency costs a step, also one that was seen already.
            let cost = STEPS_OF_FEATURE * (1 + feature.depends_on.len());
            work.charge(cost).map_err(|OutOfBudget| too_long_a_walk())?;
            next.extend(&*feature.depends_on);
        }
    }
    Ok(false)
}

fn too_long_a_walk() -> Refusal {
    Refusal::too_much_work(
        "following all that these features depend on, one after the other",
        "depend on the last of them alone, which depends on the others already",
    )
}
