//! `nexus cluster certs rotate`: replaces the authority while the cluster runs. Every node trusts the new one before
//! any certificate is from it, and no certificate is from the old one when it is dropped.

use super::{
    authority::{Authorities, Authority, Phase},
    files::{CA_CERTIFICATE, Lock, NODE_CERTIFICATE, NODE_KEY},
    leaf::{self, DEFAULT_DAYS, Leaf, Wanted},
    members::Members,
};
use crate::{answer::Answer, context::Context, error::Error, text::format};
use clap::Args;
use nexus_api_types::certificate::{Certificate, NodeCertificates};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Replace the authority while the cluster runs, in three steps
///
/// 1. It makes a new authority beside the old one: copy ca.crt, which then has both, to all nodes and clients.
///
/// 2. It issues the nodes' certificates anew, by the new authority: copy them to the nodes.
///
/// 3. With --finish, it drops the old authority: copy ca.crt, which then has the new one alone.
///
/// Each call does one step, and prints what to copy and what comes next. It refuses to go on before all members show
/// the step before. Nodes take new files within seconds, without a restart.
#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus cluster certs rotate              # step 1; once it is copied, again for step 2
  nexus cluster certs rotate --finish     # step 3
  nexus cluster certs rotate --offline    # without asking the cluster")]
pub(crate) struct Rotate {
    /// Folder of the authority
    #[arg(long, value_name = "DIR", default_value = "certs")]
    dir: PathBuf,
    /// Drop the old authority, once no node uses it
    #[arg(long)]
    finish: bool,
    /// Do the step without asking what the members show
    #[arg(long)]
    offline: bool,
    /// Days until the new authority ends, at most 36500
    #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

/// The result of one step.
struct Step {
    /// Its name for programs.
    phase: &'static str,
    /// A sentence about it, for people.
    done: String,
    /// The files to copy, each with the node that it is for.
    copies: Vec<(PathBuf, String)>,
    next: String,
}

impl Rotate {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Error> {
        let _lock = Lock::of(&self.dir)?;
        let mut authorities = Authorities::read(&self.dir)?;
        let leaves = Leaf::all(&self.dir)?;
        // A step that was cut off may have left the former certificates in a folder.
        for leaf in &leaves {
            leaf.renew_bundle(&authorities)?;
        }
        let step = match (authorities.phase(), self.finish) {
            (Phase::Settled, false) => self.begin(&mut authorities, &leaves)?,
            (Phase::Trusting, false) => self.reissue(context, &mut authorities, &leaves).await?,
            (Phase::Issuing, false) => self.repeat(&authorities, &leaves)?,
            (Phase::Issuing, true) => self.end(context, &mut authorities, &leaves).await?,
            (Phase::Settled, true) => {
                return Err(Error::misused("there is one authority, which is not being replaced")
                    .hint("nexus cluster certs rotate makes another one"));
            }
            (Phase::Trusting, true) => {
                return Err(Error::misused("the certificates of the nodes are still from the old authority")
                    .hint("nexus cluster certs rotate issues them anew; --finish comes after that"));
            }
        };
        self.print(context, &authorities, &step)
    }

    /// Makes the new authority: step 1.
    fn begin(&self, authorities: &mut Authorities, leaves: &[Leaf]) -> Result<Step, Error> {
        let former = authorities.newest();
        let (old, new) =
            (former.subject().to_owned(), Authority::make(former.cluster, former.generation + 1, self.days)?);
        let done = format!("Step 1 of 3: {} is there beside {old}, which still issues", new.subject());
        authorities.add(new);
        authorities.write(&self.dir)?;
        for leaf in leaves {
            leaf.renew_bundle(authorities)?;
        }
        Ok(Step { phase: "trusting", done, copies: self.bundles(leaves), next: self.command("") })
    }

    /// Lets the new authority issue: step 2.
    async fn reissue(
        &self,
        context: &Context<'_>,
        authorities: &mut Authorities,
        leaves: &[Leaf],
    ) -> Result<Step, Error> {
        let new = authorities.newest().found.certificate.clone();
        if !self.offline {
            let copy = format!("copy {} to its --certs-dir", self.bundle().display());
            let members = Members::ask(context, authorities.newest().cluster).await?;
            members.require("trusts the new authority yet", &copy, |shown| trusts(shown, &new))?;
        }
        authorities.promote_newest();
        authorities.write(&self.dir)?;
        self.repeat(authorities, leaves)
    }

    /// Issues what is not yet from the new authority.
    fn repeat(&self, authorities: &Authorities, leaves: &[Leaf]) -> Result<Step, Error> {
        let subject = authorities.newest().subject();
        let mut copies = Vec::new();
        for leaf in leaves {
            if leaf.found.certificate.issuer != subject {
                // One that ended with the old authority was meant to last longer.
                let end = leaf.found.certificate.not_after;
                let is_cut =
                    authorities.former().is_some_and(|former| former.found.certificate.not_after == end);
                let days = if is_cut { leaf.days().max(DEFAULT_DAYS) } else { leaf.days() };
                let wanted = Wanted { name: leaf.name, hosts: leaf.hosts(), days };
                leaf::write(authorities, &wanted, &leaf.folder, false)?;
            }
            for name in [CA_CERTIFICATE, NODE_KEY, NODE_CERTIFICATE] {
                copies.push((leaf.folder.join(name), leaf.whom()));
            }
        }
        let done = format!("Step 2 of 3: {subject} issues, and the certificates of the nodes are from it");
        Ok(Step { phase: "issuing", done, copies, next: self.command(" --finish") })
    }

    /// Drops the old authority: step 3.
    async fn end(
        &self,
        context: &Context<'_>,
        authorities: &mut Authorities,
        leaves: &[Leaf],
    ) -> Result<Step, Error> {
        let old = authorities.former().map(|former| former.subject().to_owned()).unwrap_or_default();
        if let Some(leaf) = leaves.iter().find(|leaf| leaf.found.certificate.issuer == old) {
            let message = format!("the certificate in {} is still from {old}", leaf.folder.display());
            return Err(Error::local(message).hint("nexus cluster certs rotate issues it anew"));
        }
        if !self.offline {
            let copy = "copy node.key and node.crt to its --certs-dir";
            let members = Members::ask(context, authorities.newest().cluster).await?;
            members.require("has a certificate of the new authority yet", copy, |shown| uses(shown, &old))?;
        }
        authorities.drop_former();
        authorities.write(&self.dir)?;
        for leaf in leaves {
            leaf.renew_bundle(authorities)?;
        }
        let done =
            format!("Step 3 of 3: {old} is dropped; its certificates are of no use once this is copied");
        let next = "nothing: nexus cluster certs show shows what is in the folder".to_owned();
        Ok(Step { phase: "finished", done, copies: self.bundles(leaves), next })
    }

    /// The certificates of the authorities, in the folder of each node.
    fn bundles(&self, leaves: &[Leaf]) -> Vec<(PathBuf, String)> {
        let of_leaf = |leaf: &Leaf| (leaf.folder.join(CA_CERTIFICATE), leaf.whom());
        let clients = (self.bundle(), "clients that name it by --ca, NEXUS_CA or their login".to_owned());
        leaves.iter().map(of_leaf).chain([clients]).collect()
    }

    fn bundle(&self) -> PathBuf {
        self.dir.join(CA_CERTIFICATE)
    }

    fn command(&self, flags: &str) -> String {
        let dir = if self.dir.as_os_str() == "certs" {
            String::new()
        } else {
            format!(" --dir {}", format::quoted(&self.dir.display().to_string()))
        };
        format!("nexus cluster certs rotate{dir}{flags}")
    }

    fn print(&self, context: &Context<'_>, authorities: &Authorities, step: &Step) -> Result<(), Error> {
        let out = context.out;
        let copies: Vec<Value> = step
            .copies
            .iter()
            .map(|(path, whom)| json!({ "file": path.display().to_string(), "for": whom }))
            .collect();
        let answer = json!({ "phase": step.phase, "authority": authorities.newest().found.certificate,
            "copies": copies, "next": step.next });
        out.answer(&Answer::new(answer), |_: Value| {
            out.line(&step.done)?;
            out.line("Copy:")?;
            let width = step.copies.iter().map(|(path, _)| path.display().to_string().chars().count()).max();
            let width = width.unwrap_or_default();
            for (path, whom) in &step.copies {
                out.line(format_args!("  {:width$}  to {whom}", path.display().to_string()))?;
            }
            out.line(format_args!("Next: {}", step.next))
        })?;
        if step.phase != "finished" {
            out.note(
                "Nodes take new files within seconds, without a restart. Certificates that were written elsewhere by \
                 --out need the same: nexus cluster certs issue --node N --renew --out DIR",
            );
        }
        Ok(())
    }
}

/// Tells what a member lacks before certificates may be from the new authority.
fn trusts(shown: &NodeCertificates, new: &Certificate) -> Option<String> {
    let is_known =
        shown.authorities.iter().any(|known| known.serial == new.serial && known.subject == new.subject);
    (!is_known).then(|| "trusts the old one alone".to_owned())
}

/// Tells what a member lacks before the old authority may be dropped.
fn uses(shown: &NodeCertificates, old: &str) -> Option<String> {
    let of_old = |certificate: &Option<Certificate>| {
        certificate.as_ref().is_some_and(|certificate| certificate.issuer == old)
    };
    if shown.peers.is_none() {
        return Some("shows no certificate to its peers".to_owned());
    }
    (of_old(&shown.peers) || of_old(&shown.clients)).then(|| "still uses one of the old one".to_owned())
}
