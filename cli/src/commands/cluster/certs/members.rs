//! The certificates that the running members of a cluster show, before a step that depends on them.

use crate::{client::Request, context::Context, error::Error, text::format};
use nexus_api_types::{certificate::NodeCertificates, cluster::ClusterStatus};
use uuid::Uuid;

/// The members of the cluster, with what each of them says about its certificates.
pub(super) struct Members(ClusterStatus);

impl Members {
    /// Asks the cluster.
    ///
    /// # Errors
    /// When no server answers, or they are of another cluster than the authority.
    pub(super) async fn ask(context: &Context<'_>, cluster: Uuid) -> Result<Self, Error> {
        let status: ClusterStatus = context.client.send(Request::get("/cluster/status")).await?.parse()?;
        match status.cluster_id {
            Some(id) if id != cluster => {
                let message =
                    format!("{} is of cluster {id}, and the authority of {cluster}", context.client.server());
                Err(Error::misused(message)
                    .hint("--server names its nodes; --dir names the folder of this cluster"))
            }
            _ => Ok(Self(status)),
        }
    }

    /// Fails unless each member is as far as the next step needs.
    ///
    /// # Errors
    /// A message that names the others, each with what it lacks.
    pub(super) fn require(
        &self,
        what: &str,
        next: &str,
        lacks: impl Fn(&NodeCertificates) -> Option<String>,
    ) -> Result<(), Error> {
        let behind: Vec<String> = self
            .0
            .nodes
            .iter()
            .filter_map(|node| {
                let lack = match &node.certificates {
                    Some(certificates) => lacks(certificates)?,
                    None => "does not say: is it running, and with certificates?".to_owned(),
                };
                Some(format!("node {} {lack}", node.id))
            })
            .collect();
        if behind.is_empty() {
            return Ok(());
        }
        let message = format!("not every member {what}: {}", format::list(&behind));
        Err(Error::local(message)
            .hint(format!("{next}; nexus cluster status --wide shows each member; --offline asks none")))
    }
}
