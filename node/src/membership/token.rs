//! The file with the bootstrap token, which makes the first admin. It is written before the cluster is formed, and
//! removed once the token is used, or when the cluster was formed with the token of another node.

use crate::blocking;
use nexus_api::auth::token_digest;
use nexus_raft_store::StoreHandle;
use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use tokio_util::sync::CancellationToken;

/// The name of the bootstrap token file in the data folder.
pub const BOOTSTRAP_TOKEN_FILE: &str = "bootstrap-token";

/// Reads a token that was written before and not used, if there is one. A proposal with an unknown outcome may still
/// form the cluster with it.
pub(crate) async fn read(data_dir: &Path) -> Option<String> {
    let text = contents(data_dir.join(BOOTSTRAP_TOKEN_FILE)).await?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

async fn contents(path: PathBuf) -> Option<String> {
    blocking::run(|| fs::read_to_string(path)).await.ok()?.ok()
}

/// Writes a token into a file that only its owner can read. The file is durable on return.
pub(crate) async fn write(data_dir: &Path, token: &str) -> io::Result<()> {
    let (path, line) = (data_dir.join(BOOTSTRAP_TOKEN_FILE), format!("{token}\n"));
    let writing = move || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()
    };
    blocking::run(writing).await.map_err(io::Error::other)?
}

/// Waits until the token is not valid any more, removes the file, and ends.
pub(crate) async fn remove_when_used(data_dir: PathBuf, store: StoreHandle, stop: CancellationToken) {
    let path = data_dir.join(BOOTSTRAP_TOKEN_FILE);
    let mut published = store.published();
    loop {
        let origin = published.borrow_and_update().state.origin().map(|origin| origin.bootstrap);
        if let Some(expected) = origin {
            let held = contents(path.clone()).await.map(|token| token_digest(&token));
            if held.is_none() {
                return;
            }
            if held != expected {
                if let Ok(Err(error)) = blocking::run(move || fs::remove_file(path)).await {
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
