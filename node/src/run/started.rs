//! Starts a node on its data folder, or what is left to do on one that is fenced or damaged.

use super::{fenced::FencedNode, running::RunningNode, sources::Sources};
use crate::{
    integrity::{fence, rebuild},
    settings::config::Config,
};
use futures::future::BoxFuture;
use nexus_api_types::{Moment, cluster::NodeFence};
use nexus_raft_store::StoreError;

/// A process that has started.
pub enum Started {
    /// It runs a node.
    Running(RunningNode),
    /// Its data must not be used, and it only says so.
    Fenced(FencedNode),
}

/// Starts a node; a fenced or damaged folder is no error, so that no supervisor starts it again and again.
///
/// # Errors
/// When its settings or its addresses do not allow it to start, or the device fails.
pub fn start(config: Config, sources: Sources) -> BoxFuture<'static, anyhow::Result<Started>> {
    Box::pin(async move {
        // A mark that cannot be read is a mark.
        let fence = fence::read(&config.data_dir).unwrap_or_else(|unreadable| {
            Some(NodeFence { since: Moment(sources.clock.wall()), reason: format!("{unreadable:#}") })
        });
        if let Some(fence) = fence
            && !rebuild::is_ordered(&config.data_dir)?
        {
            return FencedNode::start(config, sources, fence).await.map(Started::Fenced);
        }
        let error = match RunningNode::start(config.clone(), sources.clone()).await {
            Ok(node) => return Ok(Started::Running(node)),
            Err(error) => error,
        };
        match error.downcast_ref::<StoreError>() {
            // No mark is written: the next start looks again, maybe with another program.
            Some(damage) if damage.is_damage() => {
                let fence = NodeFence { since: Moment(sources.clock.wall()), reason: damage.to_string() };
                FencedNode::start(config, sources, fence).await.map(Started::Fenced)
            }
            _ => Err(error),
        }
    })
}
