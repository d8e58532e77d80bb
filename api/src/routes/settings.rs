//! `/cluster/settings`: the settings that operators change while the cluster runs.

use crate::{
    api::Api,
    failure::ApiError,
    openapi::{Operation, Routes},
    read::Read,
    write::Write,
};
use axum::{extract::State, http::StatusCode, response::Response};
use nexus_api_types::{body::Seconds, cluster as wire};
use nexus_domain::{
    Millis, Refusal, Reply, Settings, command,
    entity::Role,
    settings::{QuotasPatch, Registration, SettingsPatch},
};

pub(super) fn routes() -> Routes {
    let changed = Operation::write("Change the cluster's settings").about("Absent fields stay as they are.");
    Routes::new()
        .get(
            "/cluster/settings",
            show,
            Operation::read("Show the settings").answers::<wire::Settings>(200).command("cluster settings"),
        )
        .patch(
            "/cluster/settings",
            update,
            changed
                .optional_body::<wire::Settings>()
                .answers::<wire::Settings>(200)
                .command("cluster settings KEY=VALUE"),
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
    let patch = patch(write.body::<wire::Settings>()?);
    let done = write.propose(&api, command::UpdateSettings { patch }.into()).await?;
    let Reply::Settings(settings) = &done.reply else { return Err(done.unexpected()) };
    Ok(done.answer(StatusCode::OK, render(settings)))
}

fn patch(body: wire::CheckedSettings) -> SettingsPatch {
    let millis = |seconds: Seconds| millis(seconds.0);
    SettingsPatch {
        registration: body.registration,
        session_timeout: body.session_timeout.map(millis),
        session_grace: body.session_grace.map(millis),
        session_unattended: body.session_unattended.map(millis),
        event_revisions: body.event_revisions,
        replies: body.replies,
        reply_age: body.reply_age.map(millis),
        event_age: body.event_age.map(millis),
        event_bytes: body.event_bytes,
        quotas: QuotasPatch {
            project_memory: body.quota_project_memory,
            project_texts: body.quota_project_texts,
            engineer_memory: body.quota_engineer_memory,
            engineer_texts: body.quota_engineer_texts,
            engineer_projects: body.quota_engineer_projects,
            cluster_memory: body.quota_cluster_memory,
            cluster_texts: body.quota_cluster_texts,
        },
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn millis(seconds: f64) -> Millis {
    // At most 1e12, as `Seconds` checks.
    Millis((seconds * 1000.0).round() as u64)
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
