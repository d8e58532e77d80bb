//! Creates a project, whose first lead is the actor.

use crate::{
    decide::{
        Context, Decide, Decision, Facts,
        quota::{MAX_PROJECTS, within_quota},
    },
    entity::{Member, MemberRole, Project},
    event::Event,
    ids::ProjectId,
    pattern::Case,
    refusal::{EntityKind, Refusal},
    reply::Reply,
    rules::RulesVersion,
    short_text::{Label, Name, Slug},
    state::State,
    usage::Usage,
    work::WorkBudget,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Creates a project, whose first lead is the actor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CreateProject {
    /// The new project's id.
    pub id: ProjectId,
    /// The name that people see.
    pub name: Name,
    /// The name in addresses, unique in the cluster, at most 50 characters.
    pub slug: Slug,
    /// The URL of the repository.
    pub repo_url: Option<Label>,
    /// The project's path inside the repository.
    pub repo_path: Option<Label>,
    /// The branch that work starts from.
    pub default_branch: Label,
}

impl Decide for CreateProject {
    fn facts(&self) -> Facts {
        Facts { since: RulesVersion::FIRST, grows: true, is_internal: false, project: None }
    }

    fn may_be_expensive(&self, _state: &State) -> bool {
        false
    }

    fn may_replay(&self, ctx: Context<'_>) -> Result<(), Refusal> {
        ctx.writer()?;
        ctx.owner().map(drop)
    }

    fn decide(&self, ctx: Context<'_>, _work: &mut WorkBudget) -> Result<Decision, Refusal> {
        let Self { id, ref name, ref slug, ref repo_url, ref repo_path, ref default_branch } = *self;
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
        let lead = Arc::new(Member {
            project: id,
            engineer: engineer.id,
            role: MemberRole::Lead,
            added_by: engineer.id,
            since: ctx.wall(),
        });
        let events = vec![Event::ProjectCreated(project.clone()), Event::MemberAdded(lead)];
        Ok(Decision::new(events, Reply::Project(project)))
    }
}
