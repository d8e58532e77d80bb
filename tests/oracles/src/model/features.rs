//! Features: creating, changing and deleting them, and their order on the board.

use super::{
    conflicts::{conflicts, refuse, within_limit, within_limit_of_feature},
    outcome::Outcome,
    picks::{find, on_board, transition},
    rights::{lead, not_found, refused, worker},
    usage::{TEXT_BYTES, owners, within},
    world::{Amount, Claim, Feature, Status, Text, World},
};
use nexus_domain::{
    EngineerId, ProjectId, Proposal, SessionId,
    command::{CreateFeature, DeleteFeature, MoveFeature, ReorderRoadmap, UpdateFeature},
    entity::Lane,
    pattern::Pattern,
    refusal::EntityKind,
    usage::Owner,
};
use std::collections::BTreeSet;

const MAX_FEATURES: usize = 100_000;
const MAX_PATTERNS: usize = 10_000;
const MAX_DEPENDENCIES: usize = 100;
/// Replaced lists of one feature that stay stored.
const MAX_REPLACED_LISTS: usize = 1_000;

/// The same items, each once.
pub(super) fn distinct<T: PartialEq + Clone>(items: &[T]) -> Vec<T> {
    let mut once = Vec::new();
    for item in items {
        if !once.contains(item) {
            once.push(item.clone());
        }
    }
    once
}

/// Refuses more paths than a command may name.
pub(super) fn check_count(paths: usize) -> Result<(), Outcome> {
    if paths > MAX_PATTERNS { Err(refused("too many").is("limit", MAX_PATTERNS)) } else { Ok(()) }
}

fn check_dependencies(
    world: &World,
    project: ProjectId,
    slug: &str,
    needed: &[String],
) -> Result<(), Outcome> {
    if needed.len() > MAX_DEPENDENCIES {
        return Err(refused("too many").is("limit", MAX_DEPENDENCIES));
    }
    for name in needed {
        if name != slug && world.feature(project, name).is_none() {
            return Err(not_found(EntityKind::Feature, name));
        }
        let mut reached = BTreeSet::from([name.clone()]);
        let mut next = vec![name.clone()];
        while let Some(name) = next.pop() {
            let Some(feature) = world.feature(project, &name) else { continue };
            next.extend(feature.depends_on.iter().filter(|name| reached.insert((*name).clone())).cloned());
        }
        if reached.contains(slug) {
            return Err(refused("dependency cycle").is("slug", slug).is("through", name));
        }
    }
    Ok(())
}

fn end_of(world: &World, project: ProjectId, lane: Lane) -> u32 {
    let in_lane = world.features.iter().filter(|feature| feature.project == project && feature.lane == lane);
    in_lane.map(|feature| feature.priority).max().unwrap_or(0).saturating_add(1)
}

fn names(slugs: &[nexus_domain::short_text::Slug]) -> Vec<String> {
    distinct(&slugs.iter().map(ToString::to_string).collect::<Vec<_>>())
}

pub(super) fn create(
    world: &mut World,
    proposal: &Proposal,
    command: &CreateFeature,
) -> Result<Outcome, Outcome> {
    let (project, new) = (command.project, &command.feature);
    let engineer = worker(world, proposal.actor, project)?;
    let slug = new.slug.as_str();
    if slug == "available" || slug == "pick-next" {
        return Err(refused("slug reserved").is("slug", slug));
    }
    if world.feature(project, slug).is_some() {
        return Err(refused("slug taken").is("what", format!("feature {slug}")));
    }
    if world.features.iter().filter(|feature| feature.project == project).count() >= MAX_FEATURES {
        return Err(refused("too many").is("limit", MAX_FEATURES));
    }
    let all: Vec<String> = new.depends_on.iter().map(ToString::to_string).collect();
    check_dependencies(world, project, slug, &all)?;
    let feature = Feature {
        id: new.id,
        project,
        slug: slug.to_owned(),
        title: new.title.as_str().to_owned(),
        spec_bytes: new.spec.len() as u64,
        lane: new.lane,
        priority: new.priority.unwrap_or_else(|| end_of(world, project, new.lane)),
        touches: distinct(&new.touches),
        reads: distinct(&new.reads),
        depends_on: names(&new.depends_on),
        lists_at: world.revision,
        created_by: engineer,
        charged_to: engineer,
        created_at: world.wall,
        status: Status::Draft,
    };
    check_count(feature.paths().count())?;
    within(world, owners(project, engineer), Amount::of_feature(&feature))?;
    let outcome = feature.outcome("feature");
    world.features.push(feature);
    Ok(outcome)
}

pub(super) fn update(
    world: &mut World,
    proposal: &Proposal,
    command: &UpdateFeature,
) -> Result<Outcome, Outcome> {
    let (project, slug, patch) = (command.project, command.slug.as_str(), &command.patch);
    let engineer = worker(world, proposal.actor, project)?;
    let before = find(world, project, slug)?.clone();
    let mut after = before.clone();
    if let Some(title) = &patch.title {
        after.title = title.as_str().to_owned();
    }
    if let Some(spec) = &patch.spec {
        after.spec_bytes = spec.len() as u64;
    }
    after.lane = patch.lane.unwrap_or(before.lane);
    after.priority = patch.priority.unwrap_or(before.priority);
    if let Some(touches) = &patch.touches {
        after.touches = distinct(touches);
    }
    if let Some(reads) = &patch.reads {
        after.reads = distinct(reads);
    }
    if let Some(depends_on) = &patch.depends_on {
        after.depends_on = names(depends_on);
        if after.depends_on != before.depends_on {
            check_dependencies(world, project, slug, &after.depends_on)?;
        }
    }
    check_count(after.paths().count())?;
    let lists =
        |feature: &Feature| (feature.touches.clone(), feature.reads.clone(), feature.depends_on.clone());
    let changes_lists = lists(&before) != lists(&after);
    let changes = changes_lists
        || patch.spec.is_some()
        || (&before.title, before.lane, before.priority) != (&after.title, after.lane, after.priority);
    if !changes {
        return Ok(before.outcome("feature"));
    }
    after.charged_to = charged_to(world, &before, &after, engineer)?;
    if changes_lists {
        after.lists_at = world.revision;
        keep_lists(world, &before, engineer)?;
    }
    if let Some((session, _)) = before.holder() {
        change_claims(world, &before, &after, session)?;
    }
    let outcome = after.outcome("feature");
    *world.feature_mut(project, slug) = after;
    Ok(outcome)
}

/// The engineer whose quota a feature counts against: whoever makes it larger takes all of it over.
fn charged_to(
    world: &World,
    before: &Feature,
    after: &Feature,
    engineer: EngineerId,
) -> Result<EngineerId, Outcome> {
    let becomes = Amount::of_feature(after);
    let more = becomes.beyond(Amount::of_feature(before));
    if more == Amount::default() {
        return Ok(before.charged_to);
    }
    within(world, [Owner::Project(before.project), Owner::Cluster], more)?;
    let more = if before.charged_to == engineer { more } else { becomes };
    within(world, [Owner::Engineer(engineer)], more)?;
    Ok(engineer)
}

/// Stores replaced lists for past events, the latest thousand of a feature.
fn keep_lists(world: &mut World, before: &Feature, engineer: EngineerId) -> Result<(), Outcome> {
    if before.list_bytes() == 0 {
        return Ok(());
    }
    let items = before.paths().count() + before.depends_on.len();
    let bytes = TEXT_BYTES + (before.list_bytes() + 8 * items) as u64;
    within(world, owners(before.project, engineer), Amount::of_text(bytes))?;
    let (project, feature) = (before.project, Some(before.id));
    let is_kept =
        |text: &Text| text.feature == feature && text.project == project && text.replaced_at.is_some();
    if world.texts.iter().filter(|text| is_kept(text)).count() >= MAX_REPLACED_LISTS {
        let oldest = world.texts.iter().position(is_kept).expect("there are a thousand");
        world.texts.remove(oldest);
    }
    let replaced_at = Some(world.revision);
    world.texts.push(Text { project, feature, engineer, bytes, replaced_at });
    Ok(())
}

/// Claims and releases the paths that a change of an active feature adds and removes.
fn change_claims(
    world: &mut World,
    before: &Feature,
    after: &Feature,
    session: SessionId,
) -> Result<(), Outcome> {
    let without = |paths: &[Pattern], others: &[Pattern]| -> Vec<Pattern> {
        paths.iter().filter(|path| !others.contains(path)).cloned().collect()
    };
    let (had_reads, want_reads) =
        (without(&before.reads, &before.touches), without(&after.reads, &after.touches));
    let new_touches = without(&after.touches, &before.touches);
    let mut new_reads = without(&want_reads, &had_reads);
    let more: Vec<&Pattern> = new_touches.iter().chain(&new_reads).collect();
    within_limit_of_feature(world, session, before.id, &more)?;
    within_limit(world, session, &more)?;
    let wanted =
        new_touches.iter().map(|path| (path, true)).chain(new_reads.iter().map(|path| (path, false)));
    refuse(conflicts(world, before.project, session, wanted))?;
    let id = Some(before.id);
    new_reads.retain(|path| before.touches.contains(path) || world.claim(session, id, path).is_none());
    let had = [before.touches.clone(), had_reads].concat();
    let want = [after.touches.clone(), want_reads].concat();
    let dropped = without(&had, &want);
    let changes =
        |path: &Pattern| dropped.contains(path) || new_touches.contains(path) || new_reads.contains(path);
    world.claims.retain(|claim| claim.session != session || claim.feature != id || !changes(&claim.path));
    let fence = world.revision;
    let new = new_touches.into_iter().map(|path| (path, true));
    for (path, is_exclusive) in new.chain(new_reads.into_iter().map(|path| (path, false))) {
        world.claims.push(Claim { project: before.project, session, feature: id, path, is_exclusive, fence });
    }
    Ok(())
}

pub(super) fn delete(
    world: &mut World,
    proposal: &Proposal,
    command: &DeleteFeature,
) -> Result<Outcome, Outcome> {
    let (project, slug) = (command.project, command.slug.as_str());
    let engineer = worker(world, proposal.actor, project)?;
    let feature = find(world, project, slug)?;
    let wrong = |kind: &str| refused(kind).is("slug", slug).is("status", feature.status.name());
    if !command.is_finished && feature.status != Status::Draft {
        return Err(wrong("not a draft"));
    }
    if command.is_finished && !feature.status.is_over() {
        return Err(wrong("not finished"));
    }
    if command.is_finished && feature.created_by != engineer {
        lead(world, proposal.actor, project)?;
    }
    let id = feature.id;
    world.features.retain(|feature| feature.project != project || feature.id != id);
    world.texts.retain(|text| text.project != project || text.feature != Some(id));
    world.checkpoints.remove(&(project, id));
    Ok(Outcome::of_kind("done"))
}

/// Makes a draft ready, or a ready feature a draft again.
pub(super) fn change_status(
    world: &mut World,
    proposal: &Proposal,
    project: ProjectId,
    slug: &str,
    is_ready: bool,
) -> Result<Outcome, Outcome> {
    worker(world, proposal.actor, project)?;
    let feature = find(world, project, slug)?;
    let status = match (&feature.status, is_ready) {
        (Status::Draft, true) => Status::Ready { is_interrupted: false },
        (Status::Ready { .. }, false) => Status::Draft,
        _ => return Err(transition(feature, if is_ready { "ready" } else { "draft" })),
    };
    let feature = world.feature_mut(project, slug);
    feature.status = status;
    Ok(feature.outcome("feature"))
}

pub(super) fn put_in_lane(
    world: &mut World,
    proposal: &Proposal,
    command: &MoveFeature,
) -> Result<Outcome, Outcome> {
    let (project, slug, lane) = (command.project, command.slug.as_str(), command.lane);
    worker(world, proposal.actor, project)?;
    let feature = find(world, project, slug)?;
    let last = in_order(world, project, lane).last().cloned();
    let priority = command.priority.unwrap_or_else(|| match last {
        Some(last) if last == slug => feature.priority,
        _ => end_of(world, project, lane),
    });
    let feature = world.feature_mut(project, slug);
    (feature.lane, feature.priority) = (lane, priority);
    Ok(feature.outcome("feature"))
}

/// The slugs of a lane in the order of the board.
fn in_order(world: &World, project: ProjectId, lane: Lane) -> Vec<String> {
    let is_there = |feature: &&Feature| feature.project == project && feature.lane == lane;
    let mut features: Vec<&Feature> = world.features.iter().filter(is_there).collect();
    features.sort_by_key(|feature| on_board(feature));
    features.into_iter().map(|feature| feature.slug.clone()).collect()
}

pub(super) fn reorder(
    world: &mut World,
    proposal: &Proposal,
    command: &ReorderRoadmap,
) -> Result<Outcome, Outcome> {
    let project = command.project;
    worker(world, proposal.actor, project)?;
    let mut named = BTreeSet::new();
    for (_, slugs) in &command.lanes {
        for slug in slugs {
            find(world, project, slug.as_str())?;
        }
        for slug in slugs {
            if !named.insert(slug.to_string()) {
                return Err(refused("named twice").is("slug", slug));
            }
        }
    }
    let before = world.clone();
    for (lane, slugs) in &command.lanes {
        let others = in_order(&before, project, *lane).into_iter().filter(|slug| !named.contains(slug));
        let order: Vec<String> = slugs.iter().map(ToString::to_string).chain(others).collect();
        for (slug, priority) in order.iter().zip(1_u32..) {
            let feature = world.feature_mut(project, slug);
            (feature.lane, feature.priority) = (*lane, priority);
        }
    }
    Ok(Outcome::of_kind("done"))
}
