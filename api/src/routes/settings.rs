//! `/cluster/settings`: the settings that operators change while the cluster runs.

use crate::{
    api::Api,
    failure::ApiError,
    fields::Fields,
    openapi::{Operation, Routes},
    read::Read,
    write::Write,
};
use axum::{extract::State, http::StatusCode, response::Response};
use nexus_api_types::cluster as wire;
use nexus_domain::{
    Millis, Refusal, Reply, Settings, command,
    entity::Role,
    settings::{QuotasPatch, Registration, SettingsPatch},
};

pub(super) fn routes() -> Routes {
    let changed = Operation::write("Change the cluster's settings").about("What is absent stays.");
    Routes::new()
        .get("/cluster/settings", show, Operation::read("Show the settings").answers::<wire::Settings>(200))
        .patch(
            "/cluster/settings",
            update,
            changed.optional_body::<wire::Settings>().answers::<wire::Settings>(200),
        )
}

async fn show(read: Read) -> Result<Response, ApiError> {
    let (engineer, key) = read.identity()?;
    if engineer.role != Role::Admin {
        return Err(Refusal::RoleTooLow { role: engineer.role }.into());
    }
    if key.project.is_some() {
        return Err(Refusal::KeyOutOfScope.into());
    }
    Ok(read.answer(render(read.view().state().settings())))
}

async fn update(State(api): State<Api>, write: Write) -> Result<Response, ApiError> {
    let mut fields = write.fields()?;
    let patch = patch(&mut fields);
    fields.finish()?;
    let done = write.propose(&api, command::UpdateSettings { patch }.into()).await?;
    let Reply::Settings(settings) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::OK, render(settings)))
}

fn patch(fields: &mut Fields) -> SettingsPatch {
    SettingsPatch {
        registration: fields.text("registration", registration_from),
        session_timeout: fields.seconds("session.timeout").map(millis),
        session_grace: fields.seconds("session.grace").map(millis),
        session_unattended: fields.seconds("session.unattended").map(millis),
        event_revisions: fields.number("events.revisions", 0..=u64::MAX),
        replies: fields.number("replies.count", 0..=u64::MAX),
        reply_age: fields.seconds("replies.age").map(millis),
        event_age: fields.seconds("events.age").map(millis),
        event_bytes: fields.number("events.bytes", 0..=u64::MAX),
        quotas: QuotasPatch {
            project_memory: fields.number("quota.project.memory", 0..=u64::MAX),
            project_texts: fields.number("quota.project.texts", 0..=u64::MAX),
            engineer_memory: fields.number("quota.engineer.memory", 0..=u64::MAX),
            engineer_texts: fields.number("quota.engineer.texts", 0..=u64::MAX),
            engineer_projects: fields.number("quota.engineer.projects", 0..=u64::MAX),
            cluster_memory: fields.number("quota.cluster.memory", 0..=u64::MAX),
            cluster_texts: fields.number("quota.cluster.texts", 0..=u64::MAX),
        },
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn millis(seconds: f64) -> Millis {
    // At most 1e12, as `Fields::seconds` checks.
    Millis((seconds * 1000.0).round() as u64)
}

fn registration_from(text: &str) -> Result<Registration, &'static str> {
    match text {
        "open" => Ok(Registration::Open),
        "invite" => Ok(Registration::Invite),
        "closed" => Ok(Registration::Closed),
        _ => Err("must be open, invite or closed"),
    }
}

fn render(settings: &Settings) -> wire::Settings {
    #[allow(clippy::cast_precision_loss)]
    let seconds = |span: Millis| Some(span.0 as f64 / 1000.0);
    let registration = match settings.registration {
        Registration::Open => "open",
        Registration::Invite => "invite",
        Registration::Closed => "closed",
    };
    wire::Settings {
        registration: Some(registration.to_owned()),
        session_timeout: seconds(settings.session_timeout),
        session_grace: seconds(settings.session_grace),
        session_unattended: seconds(settings.session_unattended),
        event_revisions: Some(settings.event_revisions),
        replies: Some(settings.replies),
        reply_age: seconds(settings.reply_age),
        event_age: seconds(settings.event_age),
        event_bytes: Some(settings.event_bytes),
        quota_project_memory: Some(settings.quotas.project_memory),
        quota_project_texts: Some(settings.quotas.project_texts),
        quota_engineer_memory: Some(settings.quotas.engineer_memory),
        quota_engineer_texts: Some(settings.quotas.engineer_texts),
        quota_engineer_projects: Some(settings.quotas.engineer_projects),
        quota_cluster_memory: Some(settings.quotas.cluster_memory),
        quota_cluster_texts: Some(settings.quotas.cluster_texts),
    }
}
