//! `nexus cluster`: the nodes, for those who run them.

mod backup;
mod certs;
mod join_token;
mod promote;
mod rebuild;
mod remove;
mod settings;
mod snapshot;
mod status;
mod transfer_leader;
mod upgrade_check;

use super::people;
use crate::{context::Context, error::Error};
use clap::Subcommand;

/// Manage the nodes of the cluster
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus cluster status
  nexus cluster settings registration=invite
  nexus cluster join-token --ttl 30m
  nexus cluster backup -o monday.backup
  nexus cluster certs init
  nexus cluster transfer-leader --to 2")]
pub(crate) enum Cluster {
    Status(status::Status),
    JoinToken(join_token::JoinToken),
    Promote(promote::Promote),
    Rebuild(rebuild::Rebuild),
    Remove(remove::Remove),
    TransferLeader(transfer_leader::TransferLeader),
    UpgradeCheck(upgrade_check::UpgradeCheck),
    Backup(backup::Backup),
    Settings(settings::Settings),
    Snapshot(snapshot::Snapshot),
    #[command(subcommand)]
    Certs(certs::Certs),
    /// Take somebody out of the cluster, as nexus people remove does
    #[command(after_help = "\
Examples:
  nexus cluster delete-engineer ben@example.com --yes")]
    DeleteEngineer(people::remove::Remove),
}

impl Cluster {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Status(command) => command.run(context).await,
            Self::JoinToken(command) => command.run(context).await,
            Self::Promote(command) => command.run(context).await,
            Self::Rebuild(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
            Self::TransferLeader(command) => command.run(context).await,
            Self::UpgradeCheck(command) => command.run(context).await,
            Self::Backup(command) => command.run(context).await,
            Self::Settings(command) => command.run(context).await,
            Self::Snapshot(command) => command.run(context).await,
            Self::Certs(command) => command.run(context).await,
            Self::DeleteEngineer(command) => command.run(context).await,
        }
    }
}
