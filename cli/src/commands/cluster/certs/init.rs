//! `nexus cluster certs init`: makes the authority of a cluster.

use super::{
    authority::{Authorities, Authority},
    files::{CA_CERTIFICATE, CA_KEY, Lock, cannot_write},
};
use crate::{answer::Answer, args::values, config::atomic, context::Context, error::Error};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use uuid::Uuid;

/// Make the authority that issues the certificates of a cluster's nodes
///
/// It writes ca.crt, which nodes and clients get, and ca.key, which stays: whoever has it can be any node. The id of
/// the cluster is made here, too, and is in each certificate. No server is asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster certs init
  nexus cluster certs init --dir /secure/certs --days 1825
  nexus cluster certs init --cluster-id 0198c0de-0000-7000-8000-000000000001")]
pub(crate) struct Init {
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = "certs")]
    dir: PathBuf,
    /// Id of a cluster that runs already, from nexus cluster status [default: a new id]
    #[arg(long, value_name = "UUID", value_parser = values::id)]
    cluster_id: Option<Uuid>,
    /// Days until the authority ends, at most 36500
    #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

impl Init {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let dir = self.dir.display();
        atomic::make_private_folder(&self.dir).map_err(|error| cannot_write(&self.dir, &error))?;
        let lock = Lock::of(&self.dir)?;
        for name in [CA_CERTIFICATE, CA_KEY] {
            let path = self.dir.join(name);
            if path.symlink_metadata().is_ok() {
                let message = format!("{} is there already", path.display());
                return Err(Error::misused(message).hint(
                    "--dir names another folder; nexus cluster certs rotate replaces the authority of a cluster",
                ));
            }
        }
        let cluster = self.cluster_id.unwrap_or_else(Uuid::now_v7);
        let authority = Authority::make(cluster, 1, self.days)?;
        let subject = authority.subject().to_owned();
        Authorities::of(authority).write(&self.dir)?;
        drop(lock);
        let (certificate, key) = (self.dir.join(CA_CERTIFICATE), self.dir.join(CA_KEY));
        let answer = json!({ "clusterId": cluster, "authority": subject,
            "certificate": certificate.display().to_string(), "key": key.display().to_string() });
        context.out.answer(&Answer::new(answer), |_: Value| {
            context.out.line(format_args!("{subject} issues certificates of cluster {cluster}"))?;
            context
                .out
                .line(format_args!("{}  for nodes, and for clients as --ca", certificate.display()))?;
            context.out.line(format_args!("{}  stays here: keep it secret, and back it up", key.display()))
        })?;
        let dir_flag = if self.dir.as_os_str() == "certs" { String::new() } else { format!(" --dir {dir}") };
        context.out.note(format_args!(
            "Next, for each node: nexus cluster certs issue{dir_flag} --node N --host NAME,ADDRESS"
        ));
        Ok(())
    }
}
