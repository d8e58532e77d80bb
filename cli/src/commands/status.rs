//! `nexus status`: who works on what, and what they hold.

use super::names::Names;
use crate::{
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::format,
};
use clap::Args;
use nexus_api_types::{
    claim::Claim,
    feature::Feature,
    holder::HolderSession,
    session::{ProjectStatus, SessionStatus, Working},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Show who works on what, and which files they hold
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus status
  nexus status --project billing --json")]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let answer = context.client.send(Request::get(format!("/projects/{project}/status"))).await?;
        context.out.answer(&answer, |status: ProjectStatus| print(context, &status))
    }
}

fn print(context: &Context<'_>, status: &ProjectStatus) -> Result<(), Error> {
    let people = people(status);
    let parts = [
        ("Active features", active(context, status, &people)),
        ("Files held", claims(context, status)),
        ("Interrupted: may be taken up again", interrupted(context, &status.interrupted)),
        ("Sessions", sessions(context, status)),
    ];
    let mut is_first = true;
    for (title, table) in parts {
        let Some(table) = table else { continue };
        if !std::mem::take(&mut is_first) {
            context.out.line("")?;
        }
        context.out.title(title)?;
        context.out.table(&table)?;
    }
    if status.active_features.is_empty() {
        context.out.note("Nobody works on a feature: nexus feature available shows what can be picked");
    }
    Ok(())
}

fn people(status: &ProjectStatus) -> Names {
    let mut people = Names::default();
    for Working { engineer, .. } in &status.sessions {
        people.know(engineer.id, &engineer.name);
    }
    for claim in &status.claims {
        people.know(claim.engineer_id, &claim.engineer_name);
    }
    people
}

fn active(context: &Context<'_>, status: &ProjectStatus, people: &Names) -> Option<Table> {
    let sessions: BTreeMap<Uuid, HolderSession> =
        status.sessions.iter().map(|working| (working.session.id, working.session.holder())).collect();
    let features = &status.active_features;
    let mut table = Table::new(&["FEATURE", "TITLE", "HOLDER", "SINCE"]);
    for feature in features {
        let session = feature.session_id.and_then(|id| sessions.get(&id)).cloned().unwrap_or_default();
        let holder =
            feature.claimed_by.map(|by| format::holder(&people.name(by), feature.agent.as_deref(), &session));
        table.row([
            (feature.slug.clone(), Tone::Plain),
            (feature.title.clone(), Tone::Plain),
            (holder.unwrap_or_default(), Tone::Good),
            (feature.claimed_at.map(|at| context.out.clock().ago(at)).unwrap_or_default(), Tone::Faint),
        ]);
    }
    (!features.is_empty()).then_some(table)
}

/// The claims of each session, with a line for each of its features.
fn claims(context: &Context<'_>, status: &ProjectStatus) -> Option<Table> {
    let mut held: BTreeMap<(&str, Uuid, Option<Uuid>), Vec<&Claim>> = BTreeMap::new();
    for claim in &status.claims {
        held.entry((&claim.engineer_name, claim.session_id, claim.feature_id)).or_default().push(claim);
    }
    let slug = |id: Uuid| {
        status.active_features.iter().find(|feature| feature.id == id).map(|feature| feature.slug.clone())
    };
    let mut table = Table::new(&["HOLDER", "FEATURE", "FILES", "UNTIL"]);
    for ((engineer, _, feature), claims) in &held {
        let paths: Vec<&str> = claims.iter().map(|claim| claim.file_path.as_str()).collect();
        let agent = claims.iter().find_map(|claim| claim.agent.as_deref());
        let first = claims.iter().min_by_key(|claim| claim.expires_at);
        let session = first.map(|claim| claim.holder.clone()).unwrap_or_default();
        let until = first.map(|claim| context.out.clock().until(claim.expires_at));
        table.row([
            (format::holder(engineer, agent, &session), Tone::Good),
            (feature.and_then(slug).unwrap_or_default(), Tone::Plain),
            (format::list(&paths), Tone::Plain),
            (until.unwrap_or_default(), Tone::Faint),
        ]);
    }
    (!held.is_empty()).then_some(table)
}

fn interrupted(context: &Context<'_>, features: &[Feature]) -> Option<Table> {
    let mut table = Table::new(&["FEATURE", "TITLE", "INTERRUPTED"]);
    for feature in features {
        table.row([
            (feature.slug.clone(), Tone::Plain),
            (feature.title.clone(), Tone::Plain),
            (feature.interrupted_at.map(|at| context.out.clock().ago(at)).unwrap_or_default(), Tone::Warn),
        ]);
    }
    (!features.is_empty()).then_some(table)
}

fn sessions(context: &Context<'_>, status: &ProjectStatus) -> Option<Table> {
    let clock = context.out.clock();
    let mut table = Table::new(&["SESSION", "STATE", "LAST SEEN", "LEASE UNTIL"]);
    for Working { session, engineer, .. } in &status.sessions {
        let state = match session.status {
            SessionStatus::Active => ("active", Tone::Good),
            SessionStatus::Disconnected => ("disconnected", Tone::Warn),
        };
        table.row([
            (format::holder(&engineer.name, session.agent.as_deref(), &session.holder()), Tone::Plain),
            (state.0.to_owned(), state.1),
            (clock.ago(session.last_heartbeat), Tone::Faint),
            (clock.until(session.expires_at), Tone::Faint),
        ]);
    }
    (!status.sessions.is_empty()).then_some(table)
}
