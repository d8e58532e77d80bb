//! `nexus session list`: who is there, where, with which feature and which lease.

use crate::{
    answer::Answer,
    client::Request,
    context::Context,
    error::Error,
    output::{Table, Tone},
    text::format,
};
use clap::Args;
use nexus_api_types::session::{ProjectStatus, SessionStatus, Working};
use serde_json::json;

/// List the sessions of the project: who works where, on what, and until when
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus session list
  nexus session list --mine
  nexus session list --json | jq -r '.[].id'")]
pub(crate) struct List {
    /// Only your own and those of your agents
    #[arg(long)]
    mine: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let status = context.client.send(Request::get(format!("/projects/{project}/status"))).await?;
        let mut status: ProjectStatus = status.parse()?;
        if self.mine {
            let me = context.me().await?;
            status.sessions.retain(|found| found.engineer.id == me);
        }
        let ProjectStatus { sessions, active_features, .. } = status;
        context.out.answer(&Answer::new(json!(sessions)), |sessions: Vec<Working>| {
            if sessions.is_empty() {
                context.out.note("No session is there: nexus feature pick SLUG starts one");
                return Ok(());
            }
            let clock = context.out.clock();
            let mut table = Table::new(&["SESSION", "WHO", "FEATURES", "STATE", "LEASE UNTIL"]);
            for Working { session, engineer, .. } in &sessions {
                let features = active_features.iter().filter(|one| one.session_id == Some(session.id));
                let slugs: Vec<&str> = features.map(|feature| feature.slug.as_str()).collect();
                let state = match session.status {
                    SessionStatus::Active => ("active", Tone::Good),
                    SessionStatus::Disconnected => ("disconnected", Tone::Warn),
                };
                table.row([
                    (session.id.to_string(), Tone::Faint),
                    (
                        format::holder(&engineer.name, session.agent.as_deref(), &session.holder()),
                        Tone::Plain,
                    ),
                    (format::list(&slugs), Tone::Plain),
                    (state.0.to_owned(), state.1),
                    (clock.until(session.expires_at), Tone::Faint),
                ]);
            }
            context.out.table(&table)
        })
    }
}
