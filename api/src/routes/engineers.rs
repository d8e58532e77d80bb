//! `/engineers`: what people may do in the whole cluster.

use super::engineer_id;
use crate::{api::Api, failure::ApiError, render, write::Write};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::patch,
};
use nexus_domain::{Command, Reply, entity::Role};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/engineers/{engineer}", patch(change_role))
}

async fn change_role(
    State(api): State<Api>,
    Path(engineer): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let engineer = engineer_id(&engineer)?;
    let mut fields = write.fields()?;
    let role = fields.required_text("role", role_from);
    fields.finish()?;
    let Some(role) = role else { return Err(ApiError::internal(&"fields passed")) };
    let done = write.propose(&api, Command::ChangeRole { engineer, role }).await?;
    let Reply::Engineer(engineer) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::OK, render::me(engineer)))
}

fn role_from(text: &str) -> Result<Role, &'static str> {
    let roles = [Role::Admin, Role::Engineer, Role::Readonly];
    roles.into_iter().find(|role| role.name() == text).ok_or("must be admin, engineer or readonly")
}
