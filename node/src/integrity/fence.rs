//! The mark that a data folder is fenced.

use super::durable_file;
use nexus_api_types::cluster::NodeFence;
use std::path::Path;

/// The name of the mark in a data folder.
pub(super) const NAME: &str = "fenced.json";

/// The beginning of the reason of a node whose state differs from that of a majority.
pub(super) const STATE_DIFFERS: &str = "its state hash after log entry";

/// The kind of fault of a fenced node, without anything that it has stored.
pub(crate) fn kind_of(fence: &NodeFence) -> &'static str {
    if fence.reason.starts_with(STATE_DIFFERS) {
        "its state differs from that of a majority"
    } else {
        "its stored data is damaged"
    }
}

/// Reads the mark of a data folder; `None` if it is not fenced.
///
/// # Errors
/// When the mark cannot be read.
pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Option<NodeFence>> {
    durable_file::read(&data_dir.join(NAME))
}

/// Writes the mark, durably.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn write(data_dir: &Path, fence: &NodeFence) -> anyhow::Result<()> {
    durable_file::write(&data_dir.join(NAME), fence)
}
