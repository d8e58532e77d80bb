//! The answer to a node that the cluster has let in. Never lets one in by itself.

use crate::{
    auth::token_digest,
    cluster::{Cluster, Consistency, OperationError},
    failure::ApiError,
};
use nexus_api_types::cluster::Joined;
use nexus_domain::{InstanceId, NodeId};

/// Answers a node that was let in under this id: with the cluster, and with its secret, which only the holder of the
/// token can decrypt.
///
/// # Errors
/// When the token is not valid any more, or the cluster cannot say whether it is.
pub async fn joined(
    cluster: &dyn Cluster,
    token: &str,
    instance: InstanceId,
    node: NodeId,
) -> Result<Joined, ApiError> {
    // A retry may come late, when its token has expired.
    let view = cluster.read(Consistency::Linearizable, None).await?.view;
    let (state, now) = (view.state(), view.state().clock().cluster);
    if state.join_token(token_digest(token)).is_none_or(|token| now >= token.expires) {
        return Err(OperationError::BadToken.into());
    }
    let origin = state.origin().map(|origin| origin.cluster);
    let cluster_id =
        origin.ok_or_else(|| ApiError::internal(&"a cluster that is not formed lets nobody in"))?;
    let sealed_secret = cluster.seal_secret(token, cluster_id, instance);
    Ok(Joined { node_id: node.0, cluster_id: cluster_id.0, sealed_secret })
}
