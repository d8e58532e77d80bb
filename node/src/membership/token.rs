//! The file with the bootstrap token, which makes the first admin. It is written before the cluster is formed, and
//! removed once the token is used, or when the cluster was formed with the token of another node.

use nexus_api::auth::token_digest;
use nexus_raft_store::StoreHandle;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// The name of the bootstrap token file in the data folder.
pub const BOOTSTRAP_TOKEN_FILE: &str = "bootstrap-token";

/// Reads a token that was written before and not used, if there is one. A proposal with an unknown outcome may still
/// form the cluster with it.
pub(crate) async fn read(data_dir: &Path) -> Option<String> {
    let text = tokio::fs::read_to_string(data_dir.join(BOOTSTRAP_TOKEN_FILE)).await.ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

/// Writes a token into a file that only its owner can read. The file is durable on return.
pub(crate) async fn write(data_dir: &Path, token: &str) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt;
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(data_dir.join(BOOTSTRAP_TOKEN_FILE)).await?;
    file.write_all(token.as_bytes()).await?;
    file.write_all(b"\n").await?;
    file.sync_all().await
}

/// Waits until the token is not valid any more, removes the file, and ends.
pub(crate) async fn remove_when_used(data_dir: PathBuf, store: StoreHandle, stop: CancellationToken) {
    let path = data_dir.join(BOOTSTRAP_TOKEN_FILE);
    let mut published = store.published();
    loop {
        let origin = published.borrow_and_update().state.origin().map(|origin| origin.bootstrap);
        if let Some(expected) = origin {
            let held = tokio::fs::read_to_string(&path).await.ok().map(|token| token_digest(&token));
            if held.is_none() {
                return;
            }
            if held != expected {
                if let Err(error) = tokio::fs::remove_file(&path).await {
                    tracing::warn!(%error, "cannot remove the file of the bootstrap token, which is not valid any more");
                }
                return;
            }
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}
