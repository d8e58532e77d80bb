//! `nexus session start`: begins a run of an agent, or finds the one that lives.

use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use nexus_api_types::session::{Session, StartSession};

/// Start a session for an agent, or find its active one, and print its id
///
/// Commands that run with NEXUS_SESSION set to this id act as that agent. Two agents of one engineer collide like those
/// of strangers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus session start --agent build
  export NEXUS_SESSION=$(nexus session start --agent build)")]
pub(crate) struct Start {
    /// Name of the agent
    #[arg(long, short, value_name = "NAME")]
    agent: String,
}

impl Start {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let project = context.project().await?;
        let body = StartSession { agent: Some(self.agent), ..StartSession::default() };
        let request = Request::post(format!("/projects/{project}/sessions")).body(&body);
        let answer = context.client.send(request).await?;
        context.out.answer(&answer, |session: Session| context.out.line(session.id))
    }
}
