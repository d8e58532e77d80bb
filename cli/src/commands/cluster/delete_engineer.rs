//! `nexus cluster delete-engineer`: takes somebody out of the cluster.

use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

/// Take an engineer out of the cluster
///
/// Their keys, sessions and places in projects go, and their name and address; what they made stays with its projects.
/// For admins, and for everybody about themselves. nexus whoami shows one's own id, nexus project info those of others
/// with --json.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster delete-engineer 0190f2a4-7c1e-7d3b-9a55-3f2b8f0c1d2e --yes")]
pub(crate) struct DeleteEngineer {
    /// Id of the engineer
    #[arg(value_name = "ID")]
    engineer: Uuid,
    /// It is meant
    #[arg(long)]
    yes: bool,
}

impl DeleteEngineer {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let Self { engineer, yes } = self;
        if !yes {
            let what = "this takes the engineer out of the cluster for good, with keys and sessions";
            return Err(Error::local(format!("{what}; say --yes if that is meant")));
        }
        let answer = context.client.send(Request::delete(format!("/engineers/{engineer}"))).await?;
        let done = |_: Value| context.out.line(format_args!("Engineer {engineer} is out of the cluster"));
        context.out.answer(&answer, done)
    }
}
