//! Decides about projects and their members.

use super::{
    Context, Decision,
    access::not_found,
    cleanup::CleanupBudget,
    conflicts::{conflict, too_much},
    expiry, project_deletion,
    quota::within_quota,
    session_end::{self, Effects},
};
use crate::{
    document::LogPosition,
    entity::{Member, MemberRole, Project, Role, Session},
    event::{Event, ReleaseReason},
    ids::{EngineerId, ProjectId},
    pattern::{Case, Pattern, SpelledIndex},
    refusal::{Conflict, EntityKind, MAX_LISTED, Refusal},
    reply::Reply,
    short_text::{Label, Name, Slug},
    state::{ClaimRef, State},
    usage::{MEMBER_BYTES, Usage},
    work::{OutOfBudget, WorkBudget},
};
use std::sync::Arc;

/// Steps of adding one more claim to a rebuilt index, here and when the event is folded.
const CLAIM: usize = 800;
/// Sessions that one entry ends or marks as ending: at least those of one engineer in one project.
const MAX_ENDING: usize = 2_000;
/// Projects of one cluster: bounds memory.
pub(super) const MAX_PROJECTS: usize = 10_000;

/// Creates a project, whose first lead is the actor.
pub(super) fn create(
    ctx: Context<'_>,
    id: ProjectId,
    name: &Name,
    slug: &Slug,
    repo_url: &Option<Label>,
    repo_path: &Option<Label>,
    default_branch: &Label,
) -> Result<Decision, Refusal> {
    let engineer = ctx.writer()?;
    ctx.owner()?;
    if ctx.state.project_by_slug(slug).is_some() {
        return Err(Refusal::SlugTaken { kind: EntityKind::Project, slug: slug.clone() });
    }
    if ctx.state.projects.len() + ctx.state.project_deletions.len() >= MAX_PROJECTS {
        return Err(Refusal::TooMany { what: "projects".to_owned(), limit: MAX_PROJECTS as u64 });
    }
    let project = Arc::new(Project {
        id,
        name: name.clone(),
        slug: slug.clone(),
        repo_url: repo_url.clone(),
        repo_path: repo_path.clone(),
        default_branch: default_branch.clone(),
        created_by: engineer.id,
        created_at: ctx.wall(),
        updated_at: ctx.wall(),
        made_at: ctx.revision,
        case: Case::Sensitive,
    });
    within_quota(ctx, id, engineer.id, Usage::of_project())?;
    let lead = member(ctx, id, engineer.id, MemberRole::Lead, engineer.id);
    let events = vec![Event::ProjectCreated(project.clone()), Event::MemberAdded(lead)];
    Ok(Decision::new(events, Reply::Project(project)))
}

/// Changes whether a project's paths are compared with or without case. Any member may switch to ignoring case, since
/// that member's file system does; only a lead may switch back. Refused while claims of two sessions would collide.
pub(super) fn update(
    ctx: Context<'_>,
    project: ProjectId,
    case: Case,
    work: &mut WorkBudget,
) -> Result<Decision, Refusal> {
    match case {
        Case::Insensitive => ctx.worker(project)?,
        Case::Sensitive => ctx.lead(project)?,
    };
    let before = ctx.state.project(project).expect("an engineer who works in a project sees it");
    if before.case == case {
        return Ok(Decision::new(Vec::new(), Reply::Project(before.clone())));
    }
    let conflicts = conflicts_by(ctx.state, project, case, work)?;
    if !conflicts.is_empty() {
        return Err(Refusal::FilesClaimed { conflicts });
    }
    let after = Arc::new(Project { case, updated_at: ctx.wall(), ..Project::clone(before) });
    Ok(Decision::new(vec![Event::ProjectUpdated(after.clone())], Reply::Project(after)))
}

/// The first claims that would collide under this case rule.
fn conflicts_by(
    state: &State,
    project: ProjectId,
    case: Case,
    work: &mut WorkBudget,
) -> Result<Vec<Conflict>, Refusal> {
    let too_many = |OutOfBudget| {
        too_much("comparing all that is claimed anew", "wait until less is claimed, and try again")
    };
    let mut index = SpelledIndex::new(case);
    for (key, claim) in state.claims_in(project) {
        // A glob is normalized three times: for the lookup, for this index, and for the index of the state.
        work.charge(CLAIM + index.steps_of_spelling(&key.path)).map_err(too_many)?;
        let is_in_the_way =
            |_: &Pattern, held: &ClaimRef| held.session != key.session && !claim.mode.tolerates(held.mode);
        let found = index.first_overlaps(&[&key.path], MAX_LISTED, work, is_in_the_way).map_err(too_many)?;
        if !found.is_empty() {
            return Ok(found.iter().map(|at| conflict(state, project, at)).collect());
        }
        index.insert(&key.path, ClaimRef { mode: claim.mode, session: key.session, feature: key.feature });
    }
    Ok(Vec::new())
}

/// Deletes a project with everything in it. No client sees it any more; the next entries remove its rows, texts and
/// events.
pub(super) fn delete(ctx: Context<'_>, project: ProjectId) -> Result<Decision, Refusal> {
    ctx.lead(project)?;
    ctx.owner()?;
    let project = ctx.state.project(project).expect("an engineer who leads a project sees it");
    let deletion = project_deletion::begun(ctx.state, project, ctx.revision);
    Ok(Decision::new(vec![Event::ProjectDeleted(deletion)], Reply::Done))
}

fn member(
    ctx: Context<'_>,
    project: ProjectId,
    engineer: EngineerId,
    role: MemberRole,
    added_by: EngineerId,
) -> Arc<Member> {
    Arc::new(Member { project, engineer, role, added_by, since: ctx.wall() })
}

/// Adds an engineer to a project.
pub(super) fn add_member(
    ctx: Context<'_>,
    project: ProjectId,
    engineer: EngineerId,
    role: MemberRole,
) -> Result<Decision, Refusal> {
    let lead = ctx.lead(project)?;
    if ctx.state.engineer(engineer).is_none() {
        return Err(not_found(EntityKind::Engineer, engineer));
    }
    if ctx.state.member(project, engineer).is_some() {
        return Err(Refusal::MemberExists);
    }
    within_quota(ctx, project, lead.id, Usage::of_memory(MEMBER_BYTES))?;
    let member = member(ctx, project, engineer, role, lead.id);
    Ok(Decision::new(vec![Event::MemberAdded(member.clone())], Reply::Member(member)))
}

/// Removes an engineer from a project, and ends their sessions in it. Leads may do this, and every engineer for
/// themselves. If it is too much for one entry, the next ones end the rest before they do anything else.
pub(super) fn remove_member(
    ctx: Context<'_>,
    project: ProjectId,
    engineer: EngineerId,
) -> Result<Decision, Refusal> {
    let asker = ctx.worker(project)?;
    if asker.id != engineer {
        ctx.lead(project)?;
    }
    let leaving =
        ctx.state.member(project, engineer).ok_or_else(|| not_found(EntityKind::Member, engineer))?;
    let other_lead = ctx.state.members(project).any(|other| {
        // A deleted engineer may still be listed for a moment.
        let is_there = || ctx.state.engineer(other.engineer).is_some();
        other.engineer != engineer && other.role == MemberRole::Lead && is_there()
    });
    if leaving.role == MemberRole::Lead && !other_lead && asker.role != Role::Admin {
        return Err(Refusal::Cluster(
            "this is the last lead of the project; make another one first".to_owned(),
        ));
    }
    let sessions = ctx.state.sessions_of(project, engineer);
    let (mut events, documents) = sessions_ended(ctx, sessions);
    events.push(Event::MemberRemoved(leaving.clone()));
    Ok(Decision::new(events, Reply::Done).with_documents(documents))
}

/// Ends the sessions of an engineer who leaves. If they are too many for one entry, the next ones end the rest.
/// Sessions beyond [`MAX_ENDING`] have lost all rights, and end when their leases expire.
pub(super) fn sessions_ended<'a>(
    ctx: Context<'_>,
    sessions: impl Iterator<Item = &'a Arc<Session>>,
) -> Effects {
    let (mut events, mut documents) = Effects::default();
    let mut budget = CleanupBudget::new(ctx.state.cleanup_limits);
    for session in sessions.take(MAX_ENDING) {
        let reason = ReleaseReason::MemberRemoved;
        if budget.is_exhausted() {
            events.extend(expiry::ending(session, &reason));
            continue;
        }
        let position = LogPosition::of_command(ctx.revision);
        let (ended, texts) = session_end::ended(ctx.state, session, &reason, position, &mut budget);
        events.extend(ended);
        documents.extend(texts);
    }
    (events, documents)
}
