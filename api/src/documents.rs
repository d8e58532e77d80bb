//! Reads texts that are stored beside the state, such as the specs of features.

use crate::{cluster::SharedView, failure::ApiError};
use nexus_domain::{Document, DocumentKey, entity::Feature};
use std::sync::Arc;

/// Reads documents for a view.
pub(crate) async fn read(
    view: &SharedView,
    keys: Vec<DocumentKey>,
) -> Result<Vec<Option<Document>>, ApiError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    view.documents(keys).await.map_err(|failure| ApiError::internal(&failure))
}

/// Reads the spec of a feature; empty if it is missing.
pub(crate) async fn spec(view: &SharedView, feature: &Arc<Feature>) -> Result<String, ApiError> {
    let documents = read(view, spec_keys([feature])).await?;
    Ok(specs(documents).next().unwrap_or_default())
}

/// The document keys of features' specs.
pub(crate) fn spec_keys<'a>(features: impl IntoIterator<Item = &'a Arc<Feature>>) -> Vec<DocumentKey> {
    features.into_iter().map(|feature| DocumentKey::Spec(feature.project, feature.id)).collect()
}

/// The texts of specs; empty for a missing one.
pub(crate) fn specs(documents: Vec<Option<Document>>) -> impl Iterator<Item = String> {
    documents.into_iter().map(|document| match document {
        Some(Document::Spec(text)) => text.to_string(),
        _ => String::new(),
    })
}
