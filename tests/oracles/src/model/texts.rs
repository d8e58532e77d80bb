//! Learnings, decisions and checkpoints: who may write them, and how much they store. Their content is not compared.

use super::{
    outcome::Outcome,
    picks::find,
    rights::{not_found, worker},
    sessions::{claimed_for, named, renew},
    usage::{TEXT_BYTES, owners, within},
    world::{Amount, Text, World},
};
use nexus_domain::{
    Acting, EngineerId, FeatureId, ProjectId, Proposal,
    command::{AddDecision, AddLearning, SaveCheckpoint},
    document::CheckpointKind,
    refusal::EntityKind,
};

fn store(
    world: &mut World,
    project: ProjectId,
    feature: Option<FeatureId>,
    engineer: EngineerId,
    content: usize,
) -> Result<Outcome, Outcome> {
    let bytes = TEXT_BYTES + content as u64;
    within(world, owners(project, engineer), Amount::of_text(bytes))?;
    world.texts.push(Text { project, feature, engineer, bytes, replaced_at: None });
    Ok(Outcome::of_kind("text"))
}

pub(super) fn add_learning(
    world: &mut World,
    proposal: &Proposal,
    command: &AddLearning,
) -> Result<Outcome, Outcome> {
    let project = command.project;
    let engineer = worker(world, proposal.actor, project)?;
    let feature = find(world, project, command.slug.as_str())?.id;
    store(world, project, Some(feature), engineer, command.content.len())
}

pub(super) fn add_decision(
    world: &mut World,
    proposal: &Proposal,
    command: &AddDecision,
) -> Result<Outcome, Outcome> {
    let (project, new) = (command.project, &command.decision);
    let engineer = worker(world, proposal.actor, project)?;
    if let Some(slug) = &new.feature {
        find(world, project, slug.as_str())?;
    }
    if let Some(superseded) = new.supersedes.filter(|id| !world.decisions.contains(&(project, *id))) {
        return Err(not_found(EntityKind::Decision, superseded));
    }
    let optional = [&new.rationale, &new.alternatives].into_iter().flatten().map(|text| text.len());
    let content = new.title.as_str().len() + new.decision.len() + optional.sum::<usize>();
    let outcome = store(world, project, None, engineer, content)?;
    world.decisions.insert((project, new.id));
    Ok(outcome)
}

pub(super) fn save_checkpoint(
    world: &mut World,
    proposal: &Proposal,
    command: &SaveCheckpoint,
) -> Result<Outcome, Outcome> {
    let (project, new) = (command.project, &command.checkpoint);
    let engineer = worker(world, proposal.actor, project)?;
    named(world, Acting::Session(new.session), engineer, project)?;
    let feature = world.feature_by_id(project, new.feature);
    let feature = feature.ok_or_else(|| not_found(EntityKind::Feature, new.feature))?;
    let is_of_holder = feature.holder().is_none_or(|(holder, _)| holder == new.session);
    let work = (new.context.to_string(), claimed_for(world, new.session, new.feature));
    renew(world, new.session, false);
    let latest = world.checkpoints.get(&(project, new.feature));
    if new.kind == CheckpointKind::AutoPeriodic && latest == Some(&work) {
        return Ok(Outcome::of_kind("duplicate checkpoint"));
    }
    let claims = work.1.iter().map(|path| path.len() + 8).sum::<usize>();
    let content = new.context.len() + new.notes.as_deref().map_or(0, str::len) + claims;
    let outcome = store(world, project, Some(new.feature), engineer, content)?;
    if is_of_holder {
        world.checkpoints.insert((project, new.feature), work);
    }
    Ok(outcome)
}
