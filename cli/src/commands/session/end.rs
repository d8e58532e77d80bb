//! `nexus session end`: ends a run of an agent at once, releasing what it holds.

use crate::{args::values, client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::session::Ok as Yes;
use uuid::Uuid;

/// End a session of yours, and release everything that it holds
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus session end 01a20515-c2fa-73bd-a4dd-b2cf4ef689bf")]
pub(crate) struct End {
    /// Id of the session, as nexus session start printed it
    #[arg(value_name = "ID", value_parser = values::id)]
    id: Uuid,
}

impl End {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let path = format!("/projects/{project}/sessions/{}", self.id);
        let answer = context.client.send(Request::delete(path)).await?;
        context.out.answer(&answer, |_: Yes| context.out.line(format_args!("Ended session {}", self.id)))
    }
}
