//! Compares the name in a node's certificate with the place of the node in its cluster.

use crate::{
    peer::Lineage,
    settings::{config::Config, origin::Origin},
    tls::Certificates,
};
use anyhow::Context;
use nexus_api_types::certificate::CertificateName;
use nexus_domain::{ClusterId, NodeId};
use nexus_raft_store::StoreHandle;
use std::fs;

/// Reads the certificates of these settings as a start does, and returns the name in them.
///
/// # Errors
/// When a start would refuse them.
pub fn check_certificates(config: &Config) -> anyhow::Result<Option<CertificateName>> {
    let name = Certificates::read(config.tls.clone())?.current().name();
    if let Some(name) = name {
        check_name(name, &config.origin, None)?;
    }
    if let (Origin::Join { .. }, Some(ca)) = (&config.origin, &config.join_ca) {
        fs::read(ca).with_context(|| format!("--join-ca {} cannot be read", ca.display()))?;
    }
    Ok(name)
}

/// Refuses a certificate that names another cluster than the one that the data folder belongs to, or another node than
/// this one.
pub(super) fn check_name(
    name: CertificateName,
    origin: &Origin,
    stored: Option<ClusterId>,
) -> anyhow::Result<()> {
    if let Some(cluster) = stored.filter(|cluster| cluster.0 != name.cluster) {
        anyhow::bail!(
            "the certificate is for the cluster {}, and the data folder belongs to the cluster {cluster}. Make one \
             with nexus cluster certs init --cluster-id {cluster}",
            name.cluster
        );
    }
    let own = match origin {
        Origin::Initial { node_id, .. } => Some(*node_id),
        Origin::Join { .. } | Origin::Remembered => None,
    };
    match (name.node, own) {
        (Some(named), Some(own)) if named != own => anyhow::bail!(
            "the certificate is for node {named}, and this is node {own}; nexus cluster certs issue --node {own} makes \
             one for it"
        ),
        _ => Ok(()),
    }
}

/// Most members that took the place of each other, one after another, that are looked at.
const MAX_SUCCESSORS: usize = 64;

/// Reads from the state of this node which nodes took the place of which.
pub(super) fn lineage(store: StoreHandle) -> Lineage {
    Lineage::new(move |node, former| {
        let state = &store.latest().state;
        let place_of = |node: &NodeId| state.node(*node).and_then(|record| record.replaces);
        std::iter::successors(place_of(&node), place_of).take(MAX_SUCCESSORS).any(|earlier| earlier == former)
    })
}
