//! JSON answers that are written while they are sent: unpaged lists of features, whose specs may be megabytes. Pieces
//! are written on the threads of reads, and only a few pieces of a list are in memory at once.

use crate::{bodies::MAX_BODY, cluster::Cluster, documents, failure::ApiError};
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use nexus_api_types::feature::{self as wire, Available, BlockedBy};
use nexus_domain::entity::Feature;
use serde::Serialize;
use std::{collections::VecDeque, sync::Arc};
use tokio::{runtime::Handle, sync::mpsc};

/// A piece ends after this many bytes. Its last feature may exceed them by a spec of a MiB.
const PIECE_BYTES: usize = 256 << 10;
/// Features of one piece at most, since other requests need the same threads.
const FEATURES_AT_ONCE: usize = 16;
/// Pieces of one answer in memory: one in the connection, the next one, the one that is being written, and its specs.
const PIECES_AT_ONCE: usize = 4;
/// Bytes of the longest feature as JSON, by which a piece may exceed [`PIECE_BYTES`]: its spec came in a body of at
/// most this length.
const FEATURE_JSON_BYTES: usize = MAX_BODY;
/// Bytes to reserve for a streamed answer when nothing more precise is known.
pub(crate) const MAX_PIECES_BYTES: usize = PIECES_AT_ONCE * (PIECE_BYTES + FEATURE_JSON_BYTES);

/// Bytes to reserve for an answer until its client has taken it. An extension of the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReservedBytes(pub(crate) usize);

/// Bytes that the answer holds of a feature before it is written. The state holds the rest.
const FEATURE_BYTES: usize = 256;

/// A JSON text that is written while it is sent.
#[derive(Default)]
pub(crate) struct StreamedJson(VecDeque<Part>);

enum Part {
    Text(String),
    /// A feature, what blocks it, and its spec once that is read.
    Feature(Arc<Feature>, Option<Box<BlockedBy>>, Option<String>),
}

impl Part {
    /// Bytes that the part holds before it is written.
    fn held_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Feature(_, blocked_by, spec) => {
                let open = blocked_by.iter().flat_map(|by| &by.depends_on).map(String::len).sum::<usize>();
                FEATURE_BYTES + open + spec.as_ref().map_or(0, String::len)
            }
        }
    }

    /// Bytes of the part in the answer, or slightly more.
    fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Feature(feature, ..) => {
                // An escaped character takes six bytes. No spec is longer than the body that it came in.
                let spec = (6 * feature.spec_bytes as usize).min(FEATURE_JSON_BYTES);
                2 * FEATURE_BYTES + feature.list_bytes() + spec
            }
        }
    }
}

impl StreamedJson {
    /// Appends raw JSON text.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push_back(Part::Text(text.into()));
        self
    }

    /// Appends a value.
    pub(crate) fn value(self, value: &impl Serialize) -> Self {
        self.text(serde_json::to_string(value).expect("wire types are made of texts, numbers and lists"))
    }

    /// Appends a list of features.
    pub(crate) fn features<'a>(self, features: impl IntoIterator<Item = &'a Arc<Feature>>) -> Self {
        self.available(features.into_iter().map(|feature| (feature, None)))
    }

    /// Appends a list of features and what blocks each.
    pub(crate) fn available<'a>(
        mut self,
        features: impl IntoIterator<Item = (&'a Arc<Feature>, Option<BlockedBy>)>,
    ) -> Self {
        self.0.push_back(Part::Text("[".to_owned()));
        for (at, (feature, blocked_by)) in features.into_iter().enumerate() {
            if at > 0 {
                self.0.push_back(Part::Text(",".to_owned()));
            }
            self.0.push_back(Part::Feature(feature.clone(), blocked_by.map(Box::new), None));
        }
        self.text("]")
    }

    /// The response, once its first piece is written. The other pieces are written on these threads.
    ///
    /// # Errors
    /// When storage fails until then. After a later failure the answer ends early.
    pub(crate) async fn answer(
        mut self,
        cluster: Arc<dyn Cluster>,
        threads: &Handle,
    ) -> Result<Response, ApiError> {
        let first = self.piece(&*cluster).await.map_err(|error| ApiError::internal(&error))?;
        let held = self.held_bytes(first.len());
        let body = if self.0.is_empty() {
            Body::from(first)
        } else {
            // The task that sends the answer runs on the threads of the log, so it must not write the pieces.
            let (send, receive) = mpsc::channel(1);
            threads.spawn(self.write(cluster, send));
            let first = stream::once(std::future::ready(Ok(first)));
            Body::from_stream(first.chain(stream::try_unfold(receive, next_piece)))
        };
        let json = HeaderValue::from_static("application/json");
        let mut response = ([(header::CONTENT_TYPE, json)], body).into_response();
        response.extensions_mut().insert(ReservedBytes(held));
        Ok(response)
    }

    /// Bytes that the remaining parts hold, and the pieces that are in memory at once. `first` is the length of the
    /// first piece.
    fn held_bytes(&self, first: usize) -> usize {
        let parts: usize = self.0.iter().map(Part::held_bytes).sum();
        let text: usize = self.0.iter().map(Part::text_bytes).sum();
        let longest = self.0.iter().map(Part::text_bytes).max().unwrap_or_default();
        parts + (first + text).min(PIECES_AT_ONCE * first.max(PIECE_BYTES + longest))
    }

    /// Writes the pieces as they are taken, until all are written or the receiver is gone.
    async fn write(mut self, cluster: Arc<dyn Cluster>, send: mpsc::Sender<NextPiece>) {
        while !self.0.is_empty() {
            let piece = self.piece(&*cluster).await;
            let is_last = piece.is_err();
            if let Err(error) = &piece {
                tracing::error!(%error, "an answer ends early");
            }
            if send.send(piece.map(Some)).await.is_err() || is_last {
                return;
            }
        }
        let _ = send.send(Ok(None)).await;
    }

    /// The next piece of the text.
    async fn piece(&mut self, cluster: &dyn Cluster) -> Result<Bytes, PieceError> {
        let mut parts = VecDeque::new();
        let mut unread = Vec::new();
        let (mut features, mut bytes) = (0, 0);
        while features < FEATURES_AT_ONCE
            && bytes < PIECE_BYTES
            && let Some(part) = self.0.pop_front()
        {
            match &part {
                Part::Text(text) => bytes += text.len(),
                Part::Feature(feature, _, spec) => {
                    features += 1;
                    bytes += feature.list_bytes() + feature.spec_bytes as usize;
                    if spec.is_none() {
                        unread.extend(documents::spec_keys([feature]));
                    }
                }
            }
            parts.push_back(part);
        }
        // Specs are read from the newest state, so that the state of the list need not be held while the client takes
        // it.
        let texts = if unread.is_empty() { Vec::new() } else { cluster.local().documents(unread).await? };
        let mut specs = documents::specs(texts);
        for part in &mut parts {
            if let Part::Feature(_, _, spec @ None) = part {
                *spec = Some(specs.next().unwrap_or_default());
            }
        }
        let mut text = Vec::new();
        // JSON escapes may make the specs longer.
        while text.len() < PIECE_BYTES
            && let Some(part) = parts.pop_front()
        {
            match part {
                Part::Text(written) => text.extend_from_slice(written.as_bytes()),
                Part::Feature(feature, blocked_by, spec) => {
                    let feature = wire::Feature::of(&feature, spec.unwrap_or_default());
                    let blocked_by = blocked_by.map(|by| *by);
                    serde_json::to_writer(&mut text, &Available { feature, blocked_by })?;
                }
            }
        }
        parts.append(&mut self.0);
        self.0 = parts;
        Ok(text.into())
    }
}

/// A piece; none after the last one.
type NextPiece = Result<Option<Bytes>, PieceError>;

async fn next_piece(
    mut written: mpsc::Receiver<NextPiece>,
) -> Result<Option<(Bytes, mpsc::Receiver<NextPiece>)>, PieceError> {
    let piece = written.recv().await.unwrap_or(Err(PieceError::Stopped))?;
    Ok(piece.map(|piece| (piece, written)))
}

/// Why a piece could not be written.
#[derive(Debug, thiserror::Error)]
enum PieceError {
    #[error(transparent)]
    Storage(#[from] crate::cluster::StorageFailure),
    #[error(transparent)]
    Text(#[from] serde_json::Error),
    #[error("this node is stopping")]
    Stopped,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sockets::tests::stage::Stage;
    use http_body_util::BodyExt as _;

    /// Features of the stage whose specs have this many bytes, all of them quotes: each is two bytes in JSON.
    fn features(count: u128, spec_bytes: usize) -> (Arc<Stage>, Vec<Arc<Feature>>) {
        let stage = Stage::set();
        let features = (0..count).map(|number| stage.feature(number, &"\"".repeat(spec_bytes))).collect();
        (stage, features)
    }

    #[tokio::test]
    async fn pieces_end_by_bytes_and_are_counted_as_what_they_are() {
        const SPEC: usize = 100 << 10;
        let (stage, listed) = features(20, SPEC);
        let api = stage.api();
        let answer = StreamedJson::default()
            .features(&listed)
            .answer(api.cluster.clone(), api.background.handle())
            .await
            .unwrap();
        let ReservedBytes(held) = *answer.extensions().get().unwrap();
        let (mut body, mut text, mut longest) = (answer.into_body(), Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() < PIECE_BYTES + 2 * SPEC + 1_000, "{}", piece.len());
            longest = longest.max(piece.len());
            text.extend_from_slice(&piece);
        }
        assert!(held >= PIECES_AT_ONCE * longest, "{held} for pieces of {longest}");
        let features: Vec<nexus_api_types::feature::Feature> = serde_json::from_slice(&text).unwrap();
        assert_eq!(features.len(), 20);
        assert!(features.iter().all(|feature| feature.spec.len() == SPEC));
    }

    #[tokio::test]
    async fn what_follows_the_first_piece_is_written_on_the_threads_of_reads() {
        let (stage, listed) = features(60, 10);
        let api = stage.api();
        let answer = StreamedJson::default()
            .features(&listed)
            .answer(api.cluster.clone(), api.background.handle())
            .await
            .unwrap();
        answer.into_body().collect().await.unwrap();
        let threads = stage.readers();
        assert_eq!(threads.len(), 60_usize.div_ceil(FEATURES_AT_ONCE));
        assert!(threads[1..].iter().all(|name| name == "nexus-reads"), "{threads:?}");
    }

    #[tokio::test]
    async fn an_answer_whose_end_was_not_written_is_no_whole_one() {
        let (send, receive) = mpsc::channel(1);
        send.send(Ok(Some(Bytes::from_static(b"[")))).await.unwrap();
        drop(send);
        let (_, receive) = next_piece(receive).await.unwrap().unwrap();
        assert!(next_piece(receive).await.is_err());
    }
}
