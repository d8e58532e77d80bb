//! Decides about projects and their members.

use super::{
    Context, Decision,
    access::not_found,
    deletion, expiry, fills_an_entry,
    interruption::{self, Ending},
    quota::within_quota,
};
use crate::{
    document::Place,
    entity::{Load, Member, MemberRole, Project, Role, Session},
    event::{Event, ReleaseReason},
    ids::{EngineerId, ProjectId},
    refusal::{Refusal, Thing},
    reply::Reply,
    usage::{MEMBER_BYTES, Usage},
    words::{Label, Name, Slug},
};
use std::sync::Arc;

/// Projects of one cluster: bounds memory.
pub(super) const MAX_PROJECTS: usize = 10_000;

/// Makes a project, led by who makes it.
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
        return Err(Refusal::SlugTaken { thing: Thing::Project, slug: slug.clone() });
    }
    if ctx.state.projects.len() >= MAX_PROJECTS {
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
    });
    within_quota(ctx, id, engineer.id, Usage::of_project())?;
    let lead = member(ctx, id, engineer.id, MemberRole::Lead, engineer.id);
    let events = vec![Event::ProjectCreated(project.clone()), Event::MemberAdded(lead)];
    Ok(Decision::new(events, Reply::Project(project)))
}

/// Deletes a project with everything in it. It is gone for everybody at once; its rows, texts and events go with
/// the next entries.
pub(super) fn delete(ctx: Context<'_>, project: ProjectId) -> Result<Decision, Refusal> {
    ctx.lead(project)?;
    ctx.owner()?;
    let deletion = deletion::begun(ctx.state, project, ctx.revision);
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

/// Takes an engineer into a project.
pub(super) fn add_member(
    ctx: Context<'_>,
    project: ProjectId,
    engineer: EngineerId,
    role: MemberRole,
) -> Result<Decision, Refusal> {
    let lead = ctx.lead(project)?;
    if ctx.state.engineer(engineer).is_none() {
        return Err(not_found(Thing::Engineer, engineer));
    }
    if ctx.state.member(project, engineer).is_some() {
        return Err(Refusal::MemberExists);
    }
    within_quota(ctx, project, lead.id, Usage::of_memory(MEMBER_BYTES))?;
    let member = member(ctx, project, engineer, role, lead.id);
    Ok(Decision::new(vec![Event::MemberAdded(member.clone())], Reply::Member(member)))
}

/// Takes an engineer out of a project, or oneself; ends their sessions in it. What is too much for one entry
/// is ended by the next ones, before they do anything else.
pub(super) fn remove_member(
    ctx: Context<'_>,
    project: ProjectId,
    engineer: EngineerId,
) -> Result<Decision, Refusal> {
    let asker = ctx.worker(project)?;
    if asker.id != engineer {
        ctx.lead(project)?;
    }
    let leaving = ctx.state.member(project, engineer).ok_or_else(|| not_found(Thing::Member, engineer))?;
    let other_lead =
        ctx.state.members(project).any(|other| other.engineer != engineer && other.role == MemberRole::Lead);
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

/// The end of sessions whose engineer leaves; what is too much for one entry is ended by the next ones.
pub(super) fn sessions_ended<'a>(
    ctx: Context<'_>,
    sessions: impl Iterator<Item = &'a Arc<Session>>,
) -> Ending {
    let (mut events, mut documents, mut load) = (Vec::new(), Vec::new(), Load::default());
    for session in sessions {
        if fills_an_entry(load, events.len()) {
            events.push(expiry::over_now(ctx.state, session));
            continue;
        }
        load.add(Load::of(ctx.state.claims_of(session).map(|(key, _)| &key.path)));
        let place = Place::asked_for(ctx.revision);
        let (facts, texts) = interruption::ended(ctx.state, session, &ReleaseReason::MemberRemoved, place);
        events.extend(facts);
        documents.extend(texts);
    }
    (events, documents)
}
