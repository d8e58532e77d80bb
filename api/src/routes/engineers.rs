//! `/engineers`: lists engineers, changes roles, gives new keys, and deletes engineers.

use super::keys;
use crate::{
    api::Api,
    failure::ApiError,
    openapi::{Operation, Routes},
    page,
    read::Read,
    references::{self, visible_engineers},
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::{
    Page,
    engineer::{ChangeRole, CheckedResetKey, EngineerDetail, Me, Membership, MintedKey, ResetKey},
    feature::Deleted,
};
use nexus_domain::{
    Reply, WorkBudget,
    command::{self, NewApiKey},
    decide::access,
    entity::Engineer,
    short_text::Label,
};
use std::sync::Arc;

pub(super) fn routes() -> Routes {
    const ONE: &str = "/engineers/{engineer}";
    let listed = Operation::read("List engineers")
        .about("An admin sees all of them; others see themselves and those with whom they are in a project.")
        .answers_page::<Me>();
    let shown = Operation::read("Show an engineer")
        .about("Those whom the list has. A name that several of them have is refused with their addresses.");
    let changed = Operation::write("Change an engineer's rights").body::<ChangeRole>().answers::<Me>(200);
    let deleted = Operation::write("Remove an engineer from the cluster").about(
        "Admins may remove anybody, and engineers may remove themselves. Their keys, memberships, sessions, name and \
         e-mail address are deleted. Their work stays with its projects.",
    );
    let reset = Operation::write("Give an engineer a new key")
        .about(
            "The key is shown once, and former ones are revoked. Admins may; leads may for a member of their project \
             who is no admin, and get a key for that project alone, which ends after 30 days at most.",
        )
        .optional_body::<ResetKey>()
        .answers::<MintedKey>(201);
    Routes::new()
        .get("/engineers", list, listed.command("people list"))
        .get(ONE, show, shown.answers::<EngineerDetail>(200).command("people show PERSON"))
        .patch(ONE, change_role, changed.command("people role PERSON ROLE"))
        .delete(ONE, delete, deleted.answers::<Deleted>(200).command("people remove PERSON"))
        .post("/engineers/{engineer}/keys", reset_key, reset.command("people reset-key PERSON"))
}

async fn list(State(api): State<Api>, read: Read) -> Result<Response, ApiError> {
    let limit = page::limit(&read.query)?;
    let after = page::engineer_place(&read.query)?;
    let listed = move |engineers: Vec<&Arc<Engineer>>| {
        let later = engineers.into_iter().filter(|engineer| after.is_none_or(|after| engineer.id > after));
        later.take(limit + 1).map(|engineer| Me::from(engineer.as_ref())).collect::<Vec<_>>()
    };
    let mut items = visible(&api, &read, listed).await?;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| has_more).map(|last| page::engineer_cursor(last.id));
    Ok(read.answer(Page { items, next_cursor, has_more }))
}

async fn show(
    State(api): State<Api>,
    Path(engineer): Path<String>,
    read: Read,
) -> Result<Response, ApiError> {
    let id = read.engineer_id(&api, &engineer).await?;
    let is_visible = move |engineers: Vec<&Arc<Engineer>>| engineers.iter().any(|engineer| engineer.id == id);
    // Said as it was asked: whoever may not see them does not learn an id either.
    let unknown = || references::no_engineer(&engineer);
    if !visible(&api, &read, is_visible).await? {
        return Err(unknown());
    }
    let state = read.view().state();
    let (caller, key) = read.identity()?;
    let shown = state.engineer(id).ok_or_else(unknown)?;
    // Projects of which the caller is no member stay unknown to them.
    let projects =
        state.projects_of(id).filter(|project| access::reader(state, caller, key, project.id).is_ok());
    let projects = projects.filter_map(|project| {
        let role = state.member(project.id, id)?.role.into();
        Some(Membership {
            id: project.id.0,
            slug: project.slug.to_string(),
            name: project.name.to_string(),
            role,
        })
    });
    let (engineer, created_at) = (Me::from(shown.as_ref()), shown.created_at.into());
    Ok(read.answer(EngineerDetail { engineer, created_at, projects: projects.collect() }))
}

/// Applies a function to the engineers whom the caller may see.
async fn visible<T: Send + 'static>(
    api: &Api,
    read: &Read,
    of: impl Fn(Vec<&Arc<Engineer>>) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let (view, caller, cluster) = (read.view().clone(), read.caller, api.cluster.clone());
    let computed = move |work: &mut WorkBudget| {
        let (engineer, key) = caller.identity(&*cluster, view.state())?;
        visible_engineers(view.state(), engineer, key.project, work).map(&of)
    };
    api.long_reads.compute(caller.engineer, computed).await
}

async fn reset_key(
    State(api): State<Api>,
    Path(named): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let CheckedResetKey { expires_at, project_id, keep_others } = write.body::<ResetKey>()?;
    let engineer = write.engineer_id(&api, &named).await?;
    let project = match project_id {
        Some(project) => Some(write.project_id(&api, &project.0).await?),
        None => None,
    };
    // The owner sees in the list of their keys who else knows this one.
    let local = api.cluster.local();
    let (giver, _) = write.caller.identity(&*api.cluster, local.state())?;
    let label = Label::parse(&format!("given by {}", giver.email)).expect("an e-mail address is printable");
    let (minted, key) = keys::new_key(&api, &write, label).await?;
    let key = NewApiKey { expires_at: expires_at.map(|at| at.0), project, ..key };
    let keeps_others = keep_others.unwrap_or_default();
    let command = command::ResetKey { engineer, key, keeps_others }.into();
    let done = write.propose(&api, command).await;
    keys::shown(done.map_err(|error| references::as_asked(error, engineer, &named))?, minted)
}

async fn change_role(
    State(api): State<Api>,
    Path(engineer): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let engineer = write.engineer_id(&api, &engineer).await?;
    let role = write.body::<ChangeRole>()?.role;
    let done = write.propose(&api, command::ChangeRole { engineer, role }.into()).await?;
    let Reply::Engineer(engineer) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::OK, Me::from(engineer.as_ref())))
}

async fn delete(
    State(api): State<Api>,
    Path(engineer): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    write.no_fields()?;
    let engineer = write.engineer_id(&api, &engineer).await?;
    let done = write.propose(&api, command::DeleteEngineer { engineer }.into()).await?;
    Ok(done.answer(StatusCode::OK, Deleted { deleted: true }))
}
