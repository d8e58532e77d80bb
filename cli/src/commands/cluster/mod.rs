//! `nexus cluster`: the nodes, for those who run them.

mod backup;
mod delete_engineer;
mod join_token;
mod promote;
mod remove;
mod status;
mod transfer_leader;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// Manage the nodes of the cluster
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus cluster status
  nexus cluster join-token --ttl 30m
  nexus cluster backup -o monday.backup
  nexus cluster transfer-leader --to 2")]
pub(crate) enum Cluster {
    Status(status::Status),
    JoinToken(join_token::JoinToken),
    Promote(promote::Promote),
    Remove(remove::Remove),
    TransferLeader(transfer_leader::TransferLeader),
    Backup(backup::Backup),
    DeleteEngineer(delete_engineer::DeleteEngineer),
}

impl Cluster {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Status(command) => command.run(context).await,
            Self::JoinToken(command) => command.run(context).await,
            Self::Promote(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
            Self::TransferLeader(command) => command.run(context).await,
            Self::Backup(command) => command.run(context).await,
            Self::DeleteEngineer(command) => command.run(context).await,
        }
    }
}
