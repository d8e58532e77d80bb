//! `nexus cluster certs issue`: makes the certificate of a node.

use super::{
    authority::{Authorities, Phase},
    files::{self, CA_CERTIFICATE, Lock, NODE_CERTIFICATE, NODE_KEY},
    host,
    leaf::{self, DEFAULT_DAYS, Leaf, MAX_DAYS, Wanted},
};
use crate::{answer::Answer, commands::expiry, config::atomic, context::Context, error::Error, text::format};
use clap::Args;
use nexus_api_types::certificate::CertificateName;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Issue the certificate of a node
///
/// It writes a folder with ca.crt, node.crt and node.key, which nexusd takes as --certs-dir. The certificate names the
/// cluster and the node for its peers, and the hosts for clients. No server is asked.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster certs issue --node 1 --host a.example.com,10.0.0.1
  nexus cluster certs issue --node 1 --renew
  nexus cluster certs issue --joining --host d.example.com   # its id comes later
  nexus cluster certs issue --node 2 --dir /secure/certs --out /mnt/stick/node-2 --days 90")]
pub(crate) struct Issue {
    /// Id of the node
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        required_unless_present = "joining",
        conflicts_with = "joining"
    )]
    node: Option<u64>,
    /// Name the cluster alone: for a node that joins, whose id is not known before
    #[arg(long)]
    joining: bool,
    /// Names and addresses that clients ask the node by [default: localhost,127.0.0.1,::1]
    #[arg(long = "host", value_name = "HOST,HOST…", value_delimiter = ',', value_parser = host::parse)]
    hosts: Vec<String>,
    /// Folder of the authority
    #[arg(long, value_name = "DIR", default_value = "certs")]
    dir: PathBuf,
    /// Folder to write to [default: node-N or joining in the folder of the authority]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Days until the certificate ends, at most 3650 [default: 365, or those of the certificate that is replaced]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    days: Option<u32>,
    /// Replace the certificate and the key in the folder; hosts and days stay, unless --host and --days name others
    #[arg(long)]
    renew: bool,
}

impl Issue {
    pub(crate) fn run(self, context: &Context<'_>) -> Result<(), Error> {
        if self.hosts.len() > host::MAX_HOSTS {
            return Err(Error::misused(format!("a certificate is for {} hosts at most", host::MAX_HOSTS))
                .hint("name those that clients ask the node by; *.example.com stands for many"));
        }
        let _lock = Lock::of(&self.dir)?;
        let authorities = Authorities::read(&self.dir)?;
        let folder = self.out.clone().unwrap_or_else(|| leaf::folder(&self.dir, self.node));
        let name = CertificateName { cluster: authorities.issuer().cluster, node: self.node };
        let former = if self.renew { Some(self.former(&folder, name)?) } else { None };
        if !self.renew {
            check_free(&folder)?;
            let parent = files::parent(&folder);
            atomic::make_private_folder(&parent).map_err(|error| files::cannot_write(&parent, &error))?;
        }
        let local = || host::LOCAL.map(str::to_owned).to_vec();
        let former_hosts = former.as_ref().map(Leaf::hosts).filter(|hosts| !hosts.is_empty());
        let hosts =
            if self.hosts.is_empty() { former_hosts.unwrap_or_else(local) } else { self.hosts.clone() };
        let days = self.days.or(former.as_ref().map(Leaf::days)).unwrap_or(DEFAULT_DAYS);
        let wanted = Wanted { name, hosts, days };
        let leaf = leaf::write(&authorities, &wanted, &folder, !self.renew)?;
        self.print(context, &authorities, &leaf)
    }

    /// The certificate that is replaced. It has to be of the same node, or the folder of another one would be
    /// overwritten.
    fn former(&self, folder: &Path, name: CertificateName) -> Result<Leaf, Error> {
        if !folder.join(NODE_CERTIFICATE).exists() {
            return Err(Error::misused(format!("there is no {NODE_CERTIFICATE} in {}", folder.display()))
                .hint("leave out --renew; --out names the folder where it is"));
        }
        let former = Leaf::read(folder)?;
        if former.name != name {
            let message = format!("{} is for {}, and not for {name}", folder.display(), former.name);
            return Err(Error::misused(message).hint("--out names the folder of this node"));
        }
        Ok(former)
    }

    fn print(&self, context: &Context<'_>, authorities: &Authorities, leaf: &Leaf) -> Result<(), Error> {
        let out = context.out;
        let folder = leaf.folder.display();
        let certificate = &leaf.found.certificate;
        let answer = json!({ "folder": folder.to_string(), "certificate": certificate });
        out.answer(&Answer::new(answer), |_: Value| out.line(&folder))?;
        let hosts = leaf.hosts();
        out.note(format_args!(
            "For {} at {}, by {}; it {}",
            leaf.whom(),
            format::list(&hosts),
            certificate.issuer,
            expiry::sentence(certificate, out.clock())
        ));
        if authorities.phase() != Phase::Settled {
            out.note("The authority is being replaced: nexus cluster certs rotate shows the next step");
        }
        if self.renew {
            out.note(format_args!(
                "Next: copy {CA_CERTIFICATE}, {NODE_KEY} and {NODE_CERTIFICATE} over those of the node; it takes them \
                 within seconds, without a restart"
            ));
        } else {
            let join = if self.joining { " --join https://… --join-token TOKEN" } else { "" };
            out.note(format_args!(
                "Next: copy the folder to the node, readable by nexusd alone: nexusd start{join} --certs-dir DIR …"
            ));
        }
        Ok(())
    }
}

/// A folder that is there may be in use by a node, whose key would be lost.
fn check_free(folder: &Path) -> Result<(), Error> {
    if folder.symlink_metadata().is_ok() {
        return Err(Error::misused(format!("{} is there already", folder.display()))
            .hint("--renew replaces the certificate and the key in it; --out names another folder"));
    }
    if folder.file_name().is_none() {
        return Err(Error::misused(format!("{} is no name of a folder", folder.display()))
            .hint("--out names a folder that is not there yet, such as certs/node-1"));
    }
    Ok(())
}
