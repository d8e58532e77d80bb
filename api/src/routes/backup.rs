//! `/cluster/backup`: everything that the cluster stores, as a file. One piece of it is in memory, however large the
//! backup is.

use crate::{
    api::Api,
    cluster::{Backup, Unavailable},
    failure::ApiError,
    openapi::{Operation, Routes},
    read::Read,
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use nexus_api_types::header as names;
use nexus_domain::decide::access;
use std::time::{Duration, SystemTime};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};

/// Longest time for a client to take a piece of a MiB. A slower one would hold the file of the snapshot in vain.
const PATIENCE: Duration = Duration::from_secs(120);

const ROUTE: &str = "/cluster/backup";

pub(super) fn routes() -> Routes {
    let backed_up = Operation::read("Back up the cluster")
        .about(
            "The file has the whole state at `X-Nexus-Revision`, with texts and history, and with the hashes of keys and \
             tokens. Its last 32 bytes are the SHA-256 of all bytes before them. Only admins may do it. With \
             `consistency=stale`, it needs no quorum.",
        )
        .answers_file("The backup, which `nexusd check-backup` verifies.");
    Routes::new().get(ROUTE, backup, backed_up.command("cluster backup -o FILE"))
}

/// Whether requests of this route may have to wait for a snapshot.
pub(crate) fn is_backup(route: &str) -> bool {
    route.strip_prefix("/api") == Some(ROUTE)
}

async fn backup(State(api): State<Api>, read: Read) -> Result<Response, ApiError> {
    let (engineer, key) = read.identity()?;
    access::admin(engineer, key)?;
    let busy =
        || Unavailable::NotApplied("this node sends as many backups as it may; ask another one".to_owned());
    let permit = api.backups.clone().try_acquire_owned().map_err(|_| busy())?;
    let Backup { revision, bytes, pieces } = api.cluster.backup(read.view().revision()).await?;

    let cluster = read.view().state().origin().map(|origin| origin.cluster).unwrap_or_default();
    let disposition = format!("attachment; filename=\"nexus-{cluster}-{revision}.backup\"");
    let disposition = HeaderValue::try_from(disposition).map_err(|error| ApiError::internal(&error))?;
    let finished = move || api.metrics.backed_up(SystemTime::now());
    let mut response = Body::from_stream(sent(pieces, permit, PATIENCE, finished)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, bytes.into());
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    read.stamp(headers);
    headers.insert(names::REVISION, revision.0.into());
    Ok(response)
}

type Piece<E> = Result<Bytes, E>;

/// The pieces, as the client takes them. They are read in a task of its own: the stream is not polled for a client that
/// has stopped reading, and could not time out by itself. `finished` is called once the connection has all of them.
fn sent<E>(
    mut pieces: stream::BoxStream<'static, Piece<E>>,
    permit: OwnedSemaphorePermit,
    patience: Duration,
    finished: impl FnOnce() + Send + 'static,
) -> impl stream::Stream<Item = Piece<E>>
where
    E: Send + 'static,
{
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut is_whole = true;
        while let Some(piece) = pieces.next().await {
            is_whole &= piece.is_ok();
            // The client is too slow or gone. It can tell that the backup is incomplete.
            if !matches!(timeout(patience, send.send(piece)).await, Ok(Ok(()))) {
                is_whole = false;
                break;
            }
        }
        if is_whole {
            finished();
        }
        drop((pieces, permit));
    });
    stream::unfold(receive, |mut receive| async { Some((receive.recv().await?, receive)) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{convert::Infallible, sync::Arc};
    use tokio::sync::Semaphore;

    /// Endless pieces, and the permits of those who read them.
    fn endless() -> (stream::BoxStream<'static, Piece<Infallible>>, Arc<Semaphore>) {
        (stream::repeat(Ok(Bytes::from_static(b"piece"))).boxed(), Arc::new(Semaphore::new(1)))
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_disconnected() {
        let (pieces, permits) = endless();
        let permit = permits.clone().try_acquire_owned().unwrap();
        let mut stalled = Box::pin(sent(pieces, permit, Duration::from_millis(1), || ()));
        // Its reservation is released, although the answer still exists.
        permits.acquire().await.unwrap().forget();
        // The buffered part arrives; then the body ends too early.
        while stalled.next().await.is_some() {}
    }

    #[tokio::test]
    async fn a_client_that_breaks_off_holds_nothing() {
        let (pieces, permits) = endless();
        let mut client =
            Box::pin(sent(pieces, permits.clone().try_acquire_owned().unwrap(), PATIENCE, || ()));
        assert!(client.next().await.is_some());
        drop(client);
        permits.acquire().await.unwrap().forget();
    }
}
