//! `/engineers`: changes roles, and deletes engineers.

use super::identifiers::engineer_id;
use crate::{
    api::Api,
    failure::ApiError,
    openapi::{Operation, Routes},
    write::Write,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use nexus_api_types::{
    engineer::{ChangeRole, Me},
    feature::Deleted,
};
use nexus_domain::{Reply, command};

pub(super) fn routes() -> Routes {
    let changed = Operation::write("Change an engineer's rights").body::<ChangeRole>().answers::<Me>(200);
    let deleted = Operation::write("Remove an engineer from the cluster").about(
        "Admins may remove anybody, and engineers may remove themselves. Their keys, memberships, sessions, name and \
         e-mail address are deleted. Their work stays with its projects.",
    );
    Routes::new().patch("/engineers/{engineer}", change_role, changed).delete(
        "/engineers/{engineer}",
        delete,
        deleted.answers::<Deleted>(200),
    )
}

async fn change_role(
    State(api): State<Api>,
    Path(engineer): Path<String>,
    write: Write,
) -> Result<Response, ApiError> {
    let engineer = engineer_id(&engineer)?;
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
    let engineer = engineer_id(&engineer)?;
    let done = write.propose(&api, command::DeleteEngineer { engineer }.into()).await?;
    Ok(done.answer(StatusCode::OK, Deleted { deleted: true }))
}
