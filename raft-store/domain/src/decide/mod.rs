//! The rules: each command is decided against the state, and gives events or a refusal.
//!
//! Deciding never changes the state. [`access`] checks rights, [`rights`] checks those of retries, [`cleanup`] bounds
//! what an entry ends beside its command; each other file has one subject.

pub mod access;
mod checkpoints;
mod claims;
mod cleanup;
mod cluster;
mod conflicts;
mod engineer_deletion;
mod engineers;
mod expiry;
mod features;
mod holdings;
mod knowledge;
mod picking;
mod project_deletion;
mod projects;
mod quota;
mod rights;
mod roadmap;
mod session_end;
mod sessions;
mod tickets;

pub(crate) use cleanup::CleanupBudget;
pub use cleanup::CleanupLimits;
pub use conflicts::{FEATURE as STEPS_OF_FEATURE, OverlappingClaim, blocker, overlapping_claims};
pub(crate) use engineer_deletion::advance as advance_engineer_deletion;
pub(crate) use expiry::expire_one;
pub use features::{MAX_AUTOMATA, MAX_DEPENDENCIES, MAX_GLOBS, MAX_PATTERNS};
pub(crate) use project_deletion::{advance as advance_project_deletion, events_erased};
pub(crate) use rights::may_replay;
pub use roadmap::MAX_NAMED;
pub(crate) use sessions::renew_lease;

use crate::{
    apply::Erasure,
    command::{Acting, Actor, Command, Proposal},
    document::{Document, DocumentKey},
    event::Event,
    refusal::Refusal,
    reply::Reply,
    state::State,
    time::{Fence, Revision, WallTime},
    work::WorkBudget,
};

/// The refusal of a command that some nodes do not know yet.
pub const TOO_NEW: &str = "not every node of the cluster knows how to do this yet: upgrade them all";

/// The outcome of a command that is carried out.
#[derive(Debug)]
pub(crate) struct Decision {
    /// The events, in order.
    pub(crate) events: Vec<Event>,
    /// Documents to write, or to delete.
    pub(crate) documents: Vec<(DocumentKey, Option<Document>)>,
    /// Ranges of texts or events to erase.
    pub(crate) erased: Vec<Erasure>,
    /// The reply to the client.
    pub(crate) reply: Reply,
}

impl Decision {
    fn new(events: Vec<Event>, reply: Reply) -> Self {
        Self { events, documents: Vec::new(), erased: Vec::new(), reply }
    }

    fn with_document(mut self, key: DocumentKey, document: Option<Document>) -> Self {
        self.documents.push((key, document));
        self
    }

    fn with_documents(mut self, documents: Vec<(DocumentKey, Option<Document>)>) -> Self {
        self.documents.extend(documents);
        self
    }

    fn erasing(mut self, erasure: Erasure) -> Self {
        self.erased.push(erasure);
        self
    }
}

/// What a rule can read.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) state: &'a State,
    pub(crate) revision: Revision,
    pub(crate) actor: Actor,
    pub(crate) acting: Acting,
}

impl<'a> Context<'a> {
    pub(crate) fn new(state: &'a State, revision: Revision, proposal: &Proposal) -> Self {
        Self { state, revision, actor: proposal.actor, acting: proposal.acting }
    }

    /// The wall time of this entry.
    const fn wall(&self) -> WallTime {
        self.state.clock.wall
    }

    /// The fence of claims that this entry acquires.
    fn fence(&self) -> Fence {
        self.revision.into()
    }
}

/// Decides a proposal against a state of a moment ago, only to see whether that exceeds a budget. Nothing is carried
/// out.
///
/// # Errors
/// [`Refusal::TooMuchWork`]. Any other refusal is left to the proposal itself.
pub fn dry_run(state: &State, proposal: &Proposal, work: &mut WorkBudget) -> Result<(), Refusal> {
    match decide(Context::new(state, state.clock.revision, proposal), &proposal.command, work) {
        Err(refusal @ Refusal::TooMuchWork { .. }) => Err(refusal),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Decides one command, within the budget of one entry.
///
/// # Errors
/// The refusal. Then nothing changes.
pub(crate) fn decide(
    ctx: Context<'_>,
    command: &Command,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    if command.facts().since > ctx.state.rules {
        return Err(Refusal::Cluster(TOO_NEW.to_owned()));
    }
    match command {
        Command::FormCluster { origin, nodes } => cluster::form(ctx, origin, nodes),
        Command::AdmitNode { instance, peer_addr, client_addr, token, replaces } => {
            cluster::admit(ctx, *instance, peer_addr, client_addr, *token, *replaces)
        }
        Command::CreateJoinToken { id, digest, lifetime } => {
            cluster::create_join_token(ctx, *id, *digest, *lifetime)
        }
        Command::UpdateSettings { patch } => cluster::update_settings(ctx, patch),
        Command::Tick => Ok(Decision::new(Vec::new(), Reply::Done)),
        Command::Heartbeats { heartbeats, keep_alives } => {
            Ok(sessions::heartbeats(ctx, heartbeats, keep_alives))
        }
        Command::RegisterEngineer { id, name, email, key, salt, bootstrap } => {
            engineers::register(ctx, *id, name, email, key, *salt, *bootstrap)
        }
        Command::AddKey { key } => engineers::add_key(ctx, key),
        Command::RevokeKey { key } => engineers::revoke_key(ctx, *key),
        Command::ChangeRole { engineer, role } => engineers::change_role(ctx, *engineer, *role),
        Command::DeleteEngineer { engineer } => engineers::delete(ctx, *engineer, work),
        Command::CreateProject { id, name, slug, repo_url, repo_path, default_branch } => {
            projects::create(ctx, *id, name, slug, repo_url, repo_path, default_branch)
        }
        Command::UpdateProject { project, case } => projects::update(ctx, *project, *case, work),
        Command::DeleteProject { project } => projects::delete(ctx, *project),
        Command::AddMember { project, engineer, role } => {
            projects::add_member(ctx, *project, *engineer, *role)
        }
        Command::RemoveMember { project, engineer } => projects::remove_member(ctx, *project, *engineer),
        Command::CreateFeature { project, feature } => features::create(ctx, *project, feature, work),
        Command::UpdateFeature { project, slug, patch } => features::update(ctx, *project, slug, patch, work),
        Command::DeleteFeature { project, slug, is_finished } => {
            features::delete(ctx, *project, slug, *is_finished)
        }
        Command::ReadyFeature { project, slug } => features::ready(ctx, *project, slug),
        Command::DraftFeature { project, slug } => features::draft(ctx, *project, slug),
        Command::PickFeature { project, slug } => picking::pick(ctx, *project, slug, work),
        Command::PickNext { project, lanes } => picking::pick_next(ctx, *project, lanes, work),
        Command::ReleaseFeature { project, slug } => picking::release(ctx, *project, slug),
        Command::CompleteFeature { project, slug } => picking::complete(ctx, *project, slug),
        Command::CancelFeature { project, slug } => picking::cancel(ctx, *project, slug),
        Command::ClaimPaths { project, paths, mode, feature } => {
            claims::claim(ctx, *project, paths, *mode, *feature, work)
        }
        Command::ReleasePaths { project, paths } => claims::release(ctx, *project, paths.as_ref(), work),
        Command::RefreshClaims { project } => claims::refresh(ctx, *project),
        Command::ForceRelease { project, paths, reason } => {
            claims::force_release(ctx, *project, paths, reason, work)
        }
        Command::StartSession { project, id, agent, feature, metadata } => {
            sessions::start(ctx, *project, *id, agent.as_ref(), *feature, metadata)
        }
        Command::EndSession { project, session } => sessions::end(ctx, *project, *session),
        Command::AddLearning { project, slug, id, content } => {
            knowledge::add_learning(ctx, *project, slug, *id, content)
        }
        Command::AddDecision { project, decision } => knowledge::add_decision(ctx, *project, decision),
        Command::SaveCheckpoint { project, checkpoint } => checkpoints::save(ctx, *project, checkpoint, work),
        Command::ReorderRoadmap { project, lanes } => roadmap::reorder(ctx, *project, lanes, work),
        Command::MoveFeature { project, slug, lane, priority } => {
            roadmap::put(ctx, *project, slug, *lane, *priority, work)
        }
        Command::IssueTicket { digest } => tickets::issue(ctx, *digest),
        Command::RedeemTicket { digest } => tickets::redeem(ctx, *digest),
        Command::KeepAnswer { outcome } => cluster::keep_answer(outcome),
        Command::RaiseRules(to) => cluster::raise_rules(ctx, *to),
    }
}
