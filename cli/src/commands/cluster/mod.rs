//! `nexus cluster`: the nodes, for those who run them. `change` is shared by the commands that change the membership.

mod add;
mod backup;
mod backups;
mod certs;
mod change;
mod demote;
mod drain;
mod join_token;
mod members;
mod promote;
mod rebuild;
mod remove;
mod replace;
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
  nexus cluster add --wait
  nexus cluster replace 3 6
  nexus cluster drain 2
  nexus cluster backup -o monday.backup
  nexus cluster certs init
  nexus cluster transfer-leader --to 2")]
pub(crate) enum Cluster {
    Status(status::Status),
    Members(members::Members),
    Add(add::Add),
    JoinToken(join_token::JoinToken),
    Promote(promote::Promote),
    Demote(demote::Demote),
    Rebuild(rebuild::Rebuild),
    Remove(remove::Remove),
    Replace(replace::Replace),
    Drain(drain::Drain),
    TransferLeader(transfer_leader::TransferLeader),
    UpgradeCheck(upgrade_check::UpgradeCheck),
    Backup(backup::Backup),
    Backups(backups::Backups),
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
            Self::Members(command) => command.run(context).await,
            Self::Add(command) => command.run(context).await,
            Self::JoinToken(command) => command.run(context).await,
            Self::Promote(command) => command.run(context).await,
            Self::Demote(command) => command.run(context).await,
            Self::Rebuild(command) => command.run(context).await,
            Self::Remove(command) => command.run(context).await,
            Self::Replace(command) => command.run(context).await,
            Self::Drain(command) => command.run(context).await,
            Self::TransferLeader(command) => command.run(context).await,
            Self::UpgradeCheck(command) => command.run(context).await,
            Self::Backup(command) => command.run(context).await,
            Self::Backups(command) => command.run(context).await,
            Self::Settings(command) => command.run(context).await,
            Self::Snapshot(command) => command.run(context).await,
            Self::Certs(command) => command.run(context).await,
            Self::DeleteEngineer(command) => command.run(context).await,
        }
    }
}
