//! Carries commands out: one line for each, and the rights that a retry needs to see the first answer again.

use super::{
    claims, features, key_resets,
    outcome::Outcome,
    people, picks,
    rights::{admin, identified, lead, owner, refused, system, worker, writer},
    sessions, texts,
    world::World,
};
use nexus_domain::{
    Actor, Command, ProjectId, Proposal,
    command::{BeginHistory, RaiseRules},
    pattern::Case,
    settings::Registration,
};

/// The versions of the rules from which on keys are reset, and nodes are replicas.
const KEY_RESETS: u16 = 2;
const REPLICAS: u16 = 5;

/// The model's decision about a command.
pub(super) enum Decision {
    /// The outcome of a command that the model knows.
    Known(Result<Outcome, Outcome>),
    /// The model does not know the command, whose effects are nothing to it.
    Ignored,
    /// The model does not know the command, and cannot tell what is true after it was carried out.
    Lost,
}

/// Carries a command out. After a refusal the world has to be thrown away.
pub(super) fn decide(world: &mut World, proposal: &Proposal) -> Decision {
    Decision::Known(match &proposal.command {
        Command::FormCluster(command) => people::form(world, proposal, command),
        Command::UpdateSettings(command) => people::update_settings(world, proposal, command),
        Command::Tick(_) => Ok(Outcome::of_kind("done")),
        Command::Heartbeats(command) => Ok(sessions::heartbeats(world, command)),
        Command::RegisterEngineer(command) => people::register(world, proposal, command),
        Command::AddKey(command) => people::add_key(world, proposal, command),
        Command::RevokeKey(command) => people::revoke_key(world, proposal, command),
        Command::ChangeRole(command) => people::change_role(world, proposal, command),
        Command::CreateProject(command) => people::create_project(world, proposal, command),
        Command::UpdateProject(command) => people::update_project(world, proposal, command),
        Command::AddMember(command) => people::add_member(world, proposal, command),
        Command::RemoveMember(command) => people::remove_member(world, proposal, command),
        Command::CreateFeature(command) => features::create(world, proposal, command),
        Command::UpdateFeature(command) => features::update(world, proposal, command),
        Command::DeleteFeature(command) => features::delete(world, proposal, command),
        Command::ReadyFeature(command) => {
            features::change_status(world, proposal, command.project, command.slug.as_str(), true)
        }
        Command::DraftFeature(command) => {
            features::change_status(world, proposal, command.project, command.slug.as_str(), false)
        }
        Command::MoveFeature(command) => features::put_in_lane(world, proposal, command),
        Command::ReorderRoadmap(command) => features::reorder(world, proposal, command),
        Command::PickFeature(command) => picks::pick(world, proposal, command.project, command.slug.as_str()),
        Command::PickNext(command) => picks::pick_next(world, proposal, command),
        Command::ReleaseFeature(command) => {
            picks::give_back(world, proposal, command.project, command.slug.as_str(), false)
        }
        Command::CompleteFeature(command) => {
            picks::give_back(world, proposal, command.project, command.slug.as_str(), true)
        }
        Command::CancelFeature(command) => {
            picks::cancel(world, proposal, command.project, command.slug.as_str())
        }
        Command::ClaimPaths(command) => claims::claim(world, proposal, command),
        Command::ReleasePaths(command) => claims::release(world, proposal, command),
        Command::RefreshClaims(command) => claims::refresh(world, proposal, command.project),
        Command::ForceRelease(command) => claims::force_release(world, proposal, command),
        Command::StartSession(command) => sessions::start_session(world, proposal, command),
        Command::EndSession(command) => sessions::end_session(world, proposal, command),
        Command::AddLearning(command) => texts::add_learning(world, proposal, command),
        Command::AddDecision(command) => texts::add_decision(world, proposal, command),
        Command::SaveCheckpoint(command) => texts::save_checkpoint(world, proposal, command),
        Command::KeepAnswer(command) => match &command.outcome {
            Ok(reply) => Ok(Outcome::of(&Ok((**reply).clone()))),
            Err(refusal) => Err(Outcome::of(&Err((**refusal).clone()))),
        },
        Command::AdmitNode(_)
        | Command::CreateJoinToken(_)
        | Command::IssueTicket(_)
        | Command::RedeemTicket(_) => return Decision::Ignored,
        // A node refuses them before they reach the log, but may do so by a state that is behind.
        Command::ResetKey(_) if world.rules < KEY_RESETS => Err(refused("cluster")),
        Command::SetReplica(_) if world.rules < REPLICAS => Err(refused("cluster")),
        Command::SetReplica(_) => return Decision::Ignored,
        Command::RaiseRules(command) => raise_rules(world, proposal, command),
        Command::ResetKey(command) => key_resets::reset(world, proposal, command),
        Command::BeginHistory(command) => begin_history(world, proposal, command),
        Command::DeleteEngineer(_) | Command::DeleteProject(_) => return Decision::Lost,
    })
}

/// Raises the version of the rules, which never falls.
fn raise_rules(world: &mut World, proposal: &Proposal, command: &RaiseRules) -> Result<Outcome, Outcome> {
    system(proposal.actor)?;
    world.rules = world.rules.max(command.to.0);
    Ok(Outcome::of_kind("done"))
}

/// Begins a new history, which the first node of a new cluster asks for once.
fn begin_history(world: &mut World, proposal: &Proposal, command: &BeginHistory) -> Result<Outcome, Outcome> {
    system(proposal.actor)?;
    if command.through.0 >= world.revision {
        return Err(refused("cluster"));
    }
    world.rules = world.rules.max(command.rules.0);
    world.has_former_sessions = true;
    Ok(Outcome::of_kind("done"))
}

/// Refuses a retry whose actor has not the right to send the command now.
pub(super) fn may_replay(world: &World, proposal: &Proposal) -> Result<(), Outcome> {
    let actor = proposal.actor;
    let Actor::Engineer { id, key } = actor else { return Ok(()) };
    match &proposal.command {
        Command::UpdateSettings(_) | Command::KeepAnswer(_) => admin(world, actor),
        Command::RegisterEngineer(_) if world.settings.registration == Registration::Invite => {
            admin(world, actor)
        }
        Command::RegisterEngineer(_) => identified(world, actor).map(drop),
        Command::RevokeKey(command) if command.key == key => Ok(()),
        Command::AddKey(_) | Command::RevokeKey(_) | Command::CreateProject(_) => {
            writer(world, actor)?;
            owner(world, actor).map(drop)
        }
        Command::ResetKey(command) => key_resets::giver(world, proposal, command).map(drop),
        Command::ChangeRole(command) if command.engineer == id => owner(world, actor).map(drop),
        Command::ChangeRole(_) => admin(world, actor),
        Command::RemoveMember(command) if command.engineer == id => writer(world, actor).map(drop),
        Command::RemoveMember(command) => lead(world, actor, command.project).map(drop),
        Command::AddMember(command) => lead(world, actor, command.project).map(drop),
        Command::ForceRelease(command) => lead(world, actor, command.project).map(drop),
        Command::UpdateProject(command) if command.case == Case::Sensitive => {
            lead(world, actor, command.project).map(drop)
        }
        other => project_of(other).map_or(Ok(()), |project| worker(world, actor, project).map(drop)),
    }
}

/// The project that a command is about.
pub(super) const fn project_of(command: &Command) -> Option<ProjectId> {
    match command {
        Command::UpdateProject(command) => Some(command.project),
        Command::DeleteProject(command) => Some(command.project),
        Command::AddMember(command) => Some(command.project),
        Command::RemoveMember(command) => Some(command.project),
        Command::CreateFeature(command) => Some(command.project),
        Command::UpdateFeature(command) => Some(command.project),
        Command::DeleteFeature(command) => Some(command.project),
        Command::ReadyFeature(command) => Some(command.project),
        Command::DraftFeature(command) => Some(command.project),
        Command::PickFeature(command) => Some(command.project),
        Command::PickNext(command) => Some(command.project),
        Command::ReleaseFeature(command) => Some(command.project),
        Command::CompleteFeature(command) => Some(command.project),
        Command::CancelFeature(command) => Some(command.project),
        Command::ClaimPaths(command) => Some(command.project),
        Command::ReleasePaths(command) => Some(command.project),
        Command::RefreshClaims(command) => Some(command.project),
        Command::ForceRelease(command) => Some(command.project),
        Command::StartSession(command) => Some(command.project),
        Command::EndSession(command) => Some(command.project),
        Command::AddLearning(command) => Some(command.project),
        Command::AddDecision(command) => Some(command.project),
        Command::SaveCheckpoint(command) => Some(command.project),
        Command::ReorderRoadmap(command) => Some(command.project),
        Command::MoveFeature(command) => Some(command.project),
        Command::FormCluster(_)
        | Command::AdmitNode(_)
        | Command::CreateJoinToken(_)
        | Command::UpdateSettings(_)
        | Command::Tick(_)
        | Command::Heartbeats(_)
        | Command::RegisterEngineer(_)
        | Command::AddKey(_)
        | Command::RevokeKey(_)
        | Command::ChangeRole(_)
        | Command::DeleteEngineer(_)
        | Command::CreateProject(_)
        | Command::IssueTicket(_)
        | Command::RedeemTicket(_)
        | Command::KeepAnswer(_)
        | Command::RaiseRules(_)
        | Command::ResetKey(_)
        | Command::BeginHistory(_)
        | Command::SetReplica(_) => None,
    }
}
