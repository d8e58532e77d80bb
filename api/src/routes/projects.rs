//! `/projects`: projects and their members.

use super::identifiers::{engineer_id, project_id};
use crate::{
    api::Api,
    failure::ApiError,
    openapi::{Operation, Routes},
    read::Read,
    render,
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::feature::Deleted;
use nexus_api_types::project::{
    AddMember, CreateProject, Member, Project, ProjectDetail, Removed, UpdateProject,
};
use nexus_domain::{
    Command, EngineerId, ProjectId, Reply,
    entity::{MemberRole, Role},
    pattern::Case,
    short_text::{Label, MAX_PROJECT_SLUG, Name, ShortTextError, Slug},
};

pub(super) fn routes() -> Routes {
    let listed = Operation::read("List one's projects").about("An admin sees all of them.");
    let made = Operation::write("Make a project, led by who makes it");
    let left = Operation::write("Take an engineer out of a project").about(
        "Leads may, and each engineer for themselves. Their sessions end, and what they hold is released.",
    );
    let deleted = Operation::write("Delete a project").about(
        "Leads and admins may. It is gone for everybody at once, with everything in it; there is no way back.",
    );
    let updated = Operation::write("Change how a project's files are told apart").about(
        "Any member may have case ignored, leads and admins have it regarded again. Refused with 409 and who holds \
         what, while two sessions hold what would be one file.",
    );
    Routes::new()
        .get("/projects", list, listed.answers_list::<Project>())
        .post("/projects", create, made.body::<CreateProject>().answers::<Project>(201))
        .get("/projects/{project}", show, Operation::read("Show a project").answers::<ProjectDetail>(200))
        .patch("/projects/{project}", update, updated.body::<UpdateProject>().answers::<Project>(200))
        .delete("/projects/{project}", delete, deleted.answers::<Deleted>(200))
        .post(
            "/projects/{project}/members",
            add_member,
            Operation::write("Take an engineer into a project").body::<AddMember>().answers::<Member>(201),
        )
        .delete("/projects/{project}/members/{engineer}", remove_member, left.answers::<Removed>(200))
}

async fn list(read: Read) -> Result<Response, ApiError> {
    let (engineer, key) = read.identity()?;
    let state = read.view().state();
    let in_scope = |id: ProjectId| key.project.is_none_or(|scope| scope == id);
    let projects: Vec<_> = if engineer.role == Role::Admin {
        state
            .projects()
            .filter(|project| in_scope(project.id))
            .map(|project| render::project(project))
            .collect()
    } else {
        let own = state.projects_of(engineer.id).filter(|project| in_scope(project.id));
        own.map(|project| render::project(project)).collect()
    };
    Ok(read.answer(projects))
}

async fn show(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let (project, _) = read.project(project_id(&project)?)?;
    let state = read.view().state();
    let members = state.members(project.id).map(|member| render::member(state, member)).collect();
    Ok(read.answer(ProjectDetail { project: render::project(project), members }))
}

async fn create(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    let mut fields = write.fields()?;
    let name = fields.required_text("name", Name::parse);
    let slug = fields.required_text("slug", project_slug);
    let repo_url = fields.text("repoUrl", url);
    let repo_path = fields.text("repoPath", Label::parse);
    let default_branch = fields.text("defaultBranch", branch);
    fields.finish_as_old_clients_expect()?;
    let (Some(name), Some(slug)) = (name, slug) else { return Err(ApiError::internal(&"fields passed")) };
    let default_branch =
        default_branch.unwrap_or_else(|| Label::parse("main").expect("a short text is a label"));
    let id = ProjectId(api.mint.id());
    let command = Command::CreateProject { id, name, slug, repo_url, repo_path, default_branch };
    let done = write.propose(&api, command).await?;
    let Reply::Project(project) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::CREATED, render::project(project)))
}

async fn update(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    let mut fields = write.fields()?;
    let case = fields.required_text("case", case);
    fields.finish()?;
    let Some(case) = case else { return Err(ApiError::internal(&"fields passed")) };
    let done = write.propose(&api, Command::UpdateProject { project, case }).await?;
    let Reply::Project(project) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::OK, render::project(project)))
}

async fn delete(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    write.no_fields()?;
    let project = project_id(&project)?;
    let done = write.propose(&api, Command::DeleteProject { project }).await?;
    Ok(done.answer(StatusCode::OK, Deleted { deleted: true }))
}

async fn add_member(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = project_id(&project)?;
    let mut fields = write.fields()?;
    let engineer = fields.required_id::<EngineerId>("engineerId");
    let role = fields.text("role", member_role);
    fields.finish_as_old_clients_expect()?;
    let Some(engineer) = engineer else { return Err(ApiError::internal(&"fields passed")) };
    let role = role.unwrap_or(MemberRole::Member);
    let done = write.propose(&api, Command::AddMember { project, engineer, role }).await?;
    let Reply::Member(member) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::CREATED, render::member(done.view.state(), member)))
}

/// Removes a member, whose sessions in the project end and release their claims.
async fn remove_member(
    State(api): State<Api>,
    Path((project, engineer)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    write.no_fields()?;
    let (project, engineer) = (project_id(&project)?, engineer_id(&engineer)?);
    let done = write.propose(&api, Command::RemoveMember { project, engineer }).await?;
    Ok(done.answer(StatusCode::OK, Removed { removed: true }))
}

fn member_role(text: &str) -> Result<MemberRole, &'static str> {
    match text {
        "lead" => Ok(MemberRole::Lead),
        "member" => Ok(MemberRole::Member),
        _ => Err("must be lead or member"),
    }
}

fn case(text: &str) -> Result<Case, &'static str> {
    [Case::Sensitive, Case::Insensitive]
        .into_iter()
        .find(|case| case.name() == text)
        .ok_or("must be sensitive or insensitive")
}

fn project_slug(text: &str) -> Result<Slug, ShortTextError> {
    let actual = text.chars().count();
    if actual > MAX_PROJECT_SLUG {
        return Err(ShortTextError::Length { min: 1, max: MAX_PROJECT_SLUG, actual });
    }
    Slug::parse(text)
}

fn url(text: &str) -> Result<Label, ShortTextError> {
    let form = ShortTextError::Form("must be a URL such as https://example.com/repo.git");
    let Some((scheme, rest)) = text.split_once(':') else { return Err(form) };
    let mut letters = scheme.chars();
    let scheme_ok = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    if !scheme_ok || rest.trim_start_matches('/').is_empty() || text.contains(char::is_whitespace) {
        return Err(form);
    }
    Label::parse(text)
}

fn branch(text: &str) -> Result<Label, ShortTextError> {
    if text.is_empty() {
        return Err(ShortTextError::Form("must not be empty"));
    }
    Label::parse(text)
}
