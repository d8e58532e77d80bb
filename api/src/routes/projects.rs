//! `/projects`: projects and their members.

use crate::{
    api::Api,
    failure::ApiError,
    openapi::{Operation, Routes},
    read::Read,
    references,
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::feature::Deleted;
use nexus_api_types::project::{
    AddMember, CheckedAddMember, CreateProject, Member, Project, ProjectDetail, Removed, UpdateProject,
};
use nexus_domain::{
    ProjectId, Reply, command,
    entity::{MemberRole, Role},
    short_text::Label,
};

pub(super) fn routes() -> Routes {
    let listed = Operation::read("List the caller's projects").about("An admin sees all of them.");
    let made = Operation::write("Create a project, led by its creator");
    let left = Operation::write("Remove an engineer from a project").about(
        "Leads may remove anybody, and engineers may remove themselves. Their sessions end, and their claims are released.",
    );
    let deleted = Operation::write("Delete a project").about(
        "Only leads and admins may do it. The project is gone for everybody at once, with everything in it; there is no \
         way back.",
    );
    let updated = Operation::write("Change whether a project ignores case in paths").about(
        "Any member may make the project ignore case; only leads and admins may make it distinguish case again. The \
         answer is 409, with the holders, while two sessions hold files that would become one.",
    );
    Routes::new()
        .get("/projects", list, listed.answers_list::<Project>().command("project list"))
        .post(
            "/projects",
            create,
            made.body::<CreateProject>().answers::<Project>(201).command("project create -n NAME -s SLUG"),
        )
        .get(
            "/projects/{project}",
            show,
            Operation::read("Show a project").answers::<ProjectDetail>(200).command("project info"),
        )
        .patch(
            "/projects/{project}",
            update,
            updated.body::<UpdateProject>().answers::<Project>(200).command("project update"),
        )
        .delete(
            "/projects/{project}",
            delete,
            deleted.answers::<Deleted>(200).command("project delete PROJECT"),
        )
        .post(
            "/projects/{project}/members",
            add_member,
            Operation::write("Add an engineer to a project")
                .body::<AddMember>()
                .answers::<Member>(201)
                .command("project add-member PERSON"),
        )
        .delete(
            "/projects/{project}/members/{engineer}",
            remove_member,
            left.answers::<Removed>(200).command("project remove-member PERSON"),
        )
}

async fn list(read: Read) -> Result<Response, ApiError> {
    let (engineer, key) = read.identity()?;
    let state = read.view().state();
    let in_scope = |id: ProjectId| key.project.is_none_or(|scope| scope == id);
    let projects: Vec<_> = if engineer.role == Role::Admin {
        state
            .projects()
            .filter(|project| in_scope(project.id))
            .map(|project| Project::from(&**project))
            .collect()
    } else {
        let own = state.projects_of(engineer.id).filter(|project| in_scope(project.id));
        own.map(|project| Project::from(&**project)).collect()
    };
    Ok(read.answer(projects))
}

async fn show(Path(project): Path<String>, read: Read) -> Result<Response, ApiError> {
    let (project, _) = read.project(read.project_id(&project)?)?;
    let state = read.view().state();
    let members = state.members(project.id).map(|member| Member::of(state, member)).collect();
    Ok(read.answer(ProjectDetail { project: Project::from(project.as_ref()), members }))
}

async fn create(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    let body = write.body::<CreateProject>()?;
    let (name, slug) = (body.name, body.slug.0);
    let (repo_url, repo_path) = (body.repo_url.map(|url| url.0), body.repo_path);
    let main = || Label::parse("main").expect("a short text is a label");
    let default_branch = body.default_branch.map_or_else(main, |branch| branch.0);
    let id = ProjectId(api.mint.id());
    let command = command::CreateProject { id, name, slug, repo_url, repo_path, default_branch }.into();
    let done = write.propose(&api, command).await?;
    let Reply::Project(project) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::CREATED, Project::from(project.as_ref())))
}

async fn update(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let case = write.body::<UpdateProject>()?.case;
    let done = write.propose(&api, command::UpdateProject { project, case }.into()).await?;
    let Reply::Project(project) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::OK, Project::from(project.as_ref())))
}

async fn delete(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    write.no_fields()?;
    let project = write.project_id(&api, &project).await?;
    let done = write.propose(&api, command::DeleteProject { project }.into()).await?;
    Ok(done.answer(StatusCode::OK, Deleted { deleted: true }))
}

async fn add_member(
    State(api): State<Api>,
    Path(project): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let project = write.project_id(&api, &project).await?;
    let CheckedAddMember { engineer_id: engineer, role } = write.body::<AddMember>()?;
    let engineer = write.new_member_id(&api, project, &engineer.0).await?;
    let role = role.unwrap_or(MemberRole::Member);
    let done = write.propose(&api, command::AddMember { project, engineer, role }.into()).await?;
    let Reply::Member(member) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::CREATED, Member::of(done.view.state(), member)))
}

/// Removes a member, whose sessions in the project end and release their claims.
async fn remove_member(
    State(api): State<Api>,
    Path((project, engineer)): Path<(String, String)>,
    write: Write,
) -> Result<Response, ApiError> {
    write.no_fields()?;
    let project = write.project_id(&api, &project).await?;
    let named = engineer;
    let engineer = write.engineer_id(&api, &named).await?;
    let done = write.propose(&api, command::RemoveMember { project, engineer }.into()).await;
    let done = done.map_err(|error| references::as_asked(error, engineer, &named))?;
    Ok(done.answer(StatusCode::OK, Removed { removed: true }))
}
