//! `nexus cluster certs`: a private authority for a cluster, and the certificates of its nodes. It works on files of
//! this machine; only `rotate` asks the cluster.
//!
//! - [`init`]: makes the authority. [`issue`]: makes the certificate of a node. [`rotate`]: replaces the authority
//!   while the cluster runs. [`show`]: what is in a file.
//! - [`members`]: which certificates the running nodes show.
//! - [`authority`]: the authorities in a folder, and what they issue. [`leaf`]: the folder of one node.
//! - [`host`]: the hosts that a certificate is for. [`files`]: reads and writes whole files.

mod authority;
mod files;
mod host;
mod init;
mod issue;
mod leaf;
mod members;
mod rotate;
mod show;

use crate::{context::Context, error::Error};
use clap::Subcommand;

/// Make and renew the certificates of the nodes, where no other authority does
///
/// The authority is a folder on a machine of yours, best one without network: ca.crt is public, and whoever has ca.key
/// can be any node. Each node gets a folder of its own, which nexusd takes as --certs-dir.
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  nexus cluster certs init
  nexus cluster certs issue --node 1 --host a.example.com,10.0.0.1
  nexus cluster certs show certs
  nexus cluster certs issue --node 1 --renew    # before the certificate ends
  nexus cluster certs rotate                    # another authority, in three steps")]
pub(crate) enum Certs {
    Init(init::Init),
    Issue(issue::Issue),
    Rotate(rotate::Rotate),
    Show(show::Show),
}

impl Certs {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Init(command) => command.run(context),
            Self::Issue(command) => command.run(context),
            Self::Rotate(command) => command.run(context).await,
            Self::Show(command) => command.run(context),
        }
    }
}
