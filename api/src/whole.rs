//! Lists that are answered whole, however many features they have. Written piece by piece while they are
//! sent: specs may be megabytes, and no list is ever in memory at once.

use crate::{api::Api, cluster::Cluster, failure::ApiError, render};
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use nexus_api_types::feature::{Available, BlockedBy};
use nexus_domain::entity::Feature;
use serde::Serialize;
use std::{collections::VecDeque, sync::Arc};

/// Features of one piece: each has a spec of at most a MiB, and usually a few KiB.
const FEATURES_AT_ONCE: usize = 16;

/// Bytes that an answer holds until its client has taken them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldBytes(pub(crate) usize);

/// Bytes of a feature that is still to be written: what it points to is the state's, not the answer's.
const FEATURE_BYTES: usize = 256;

/// A JSON text in the making.
#[derive(Default)]
pub(crate) struct Whole(VecDeque<Part>);

enum Part {
    Text(String),
    Feature(Arc<Feature>, Option<BlockedBy>),
}

impl Whole {
    /// Goes on with this.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push_back(Part::Text(text.into()));
        self
    }

    /// Goes on with a value.
    pub(crate) fn value(self, value: &impl Serialize) -> Self {
        self.text(serde_json::to_string(value).expect("wire types are made of texts, numbers and lists"))
    }

    /// Goes on with a list of features.
    pub(crate) fn features<'a>(self, features: impl IntoIterator<Item = &'a Arc<Feature>>) -> Self {
        self.available(features.into_iter().map(|feature| (feature, None)))
    }

    /// Goes on with a list of features and what is in their way.
    pub(crate) fn available<'a>(
        mut self,
        features: impl IntoIterator<Item = (&'a Arc<Feature>, Option<BlockedBy>)>,
    ) -> Self {
        self.0.push_back(Part::Text("[".to_owned()));
        for (at, (feature, blocked_by)) in features.into_iter().enumerate() {
            if at > 0 {
                self.0.push_back(Part::Text(",".to_owned()));
            }
            self.0.push_back(Part::Feature(feature.clone(), blocked_by));
        }
        self.text("]")
    }

    /// The answer, which begins once its first piece is there.
    ///
    /// # Errors
    /// When storage fails by then. Later, the answer is cut short.
    pub(crate) async fn answer(mut self, api: &Api) -> Result<Response, ApiError> {
        let internal = |error: Failed| ApiError::internal(&error);
        let cluster = api.cluster.clone();
        let first = self.piece(&*cluster).await.map_err(internal)?;
        let held = first.len() + self.held_bytes();
        let body = if self.0.is_empty() {
            Body::from(first)
        } else {
            let rest = stream::try_unfold((self, cluster), |(mut whole, cluster)| async {
                if whole.0.is_empty() {
                    return Ok::<_, Failed>(None);
                }
                let piece = whole.piece(&*cluster).await.inspect_err(|error| {
                    tracing::error!(%error, "an answer is cut short");
                })?;
                Ok(Some((piece, (whole, cluster))))
            });
            Body::from_stream(stream::once(std::future::ready(Ok(first))).chain(rest))
        };
        let json = HeaderValue::from_static("application/json");
        let mut response = ([(header::CONTENT_TYPE, json)], body).into_response();
        response.extensions_mut().insert(HeldBytes(held));
        Ok(response)
    }

    fn held_bytes(&self) -> usize {
        let bytes = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Feature(..) => FEATURE_BYTES,
        };
        self.0.iter().map(bytes).sum()
    }

    /// The next piece of the text.
    async fn piece(&mut self, cluster: &dyn Cluster) -> Result<Bytes, Failed> {
        let mut parts = Vec::new();
        let mut keys = Vec::new();
        while keys.len() < FEATURES_AT_ONCE
            && let Some(part) = self.0.pop_front()
        {
            if let Part::Feature(feature, _) = &part {
                keys.extend(render::spec_keys([feature]));
            }
            parts.push(part);
        }
        // A text is as new as the state or newer, whichever view it is read beside: the state that the list
        // was made from need not be held for as long as its client takes.
        let documents = if keys.is_empty() { Vec::new() } else { cluster.local().documents(keys).await? };
        let mut specs = render::specs(documents);
        let mut text = Vec::new();
        for part in parts {
            match part {
                Part::Text(written) => text.extend_from_slice(written.as_bytes()),
                Part::Feature(feature, blocked_by) => {
                    let feature = render::feature(&feature, specs.next().unwrap_or_default());
                    serde_json::to_writer(&mut text, &Available { feature, blocked_by })?;
                }
            }
        }
        Ok(text.into())
    }
}

/// Why a piece could not be written.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Storage(#[from] crate::cluster::StorageFailure),
    #[error(transparent)]
    Text(#[from] serde_json::Error),
}
