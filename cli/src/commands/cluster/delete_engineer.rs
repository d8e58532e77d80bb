//! `nexus cluster delete-engineer`: takes somebody out of the cluster.

use crate::{client::Request, context::Context, error::Error};
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

/// Remove an engineer from the cluster
///
/// Their keys, sessions and memberships are deleted, and so are their name and address. Their work stays with its
/// projects. Admins may delete anybody, and everybody may delete themselves. You find your own id with nexus whoami,
/// and those of others with nexus project info --json.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster delete-engineer 0190f2a4-7c1e-7d3b-9a55-3f2b8f0c1d2e --yes")]
pub(crate) struct DeleteEngineer {
    /// Id of the engineer
    #[arg(value_name = "ID")]
    engineer: Uuid,
    /// Confirm the deletion
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
