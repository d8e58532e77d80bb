//! Prepares a read: authenticates it, and obtains a view that is as fresh as requested.

use crate::{
    api::Api,
    auth::{Caller, authenticate},
    brief::Brief,
    cluster::{Cluster, Consistency, ReadView, SharedView},
    failure::ApiError,
    streamed_json::StreamedJson,
};
use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use nexus_api_types::{Data, header as names};
use nexus_domain::{
    ProjectId, Refusal, Revision,
    decide::access,
    entity::{ApiKey, Engineer, Member, Project, Session},
};
use serde::Serialize;
use std::{collections::HashMap, sync::Arc};

/// An authenticated read, with the view that answers it.
pub(crate) struct Read {
    pub(crate) caller: Caller,
    pub(crate) query: HashMap<String, String>,
    /// Whether a tool sent the request, which needs shorter lists.
    pub(crate) is_brief: bool,
    seen: ReadView,
    cluster: Arc<dyn Cluster>,
}

impl FromRequestParts<Api> for Read {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = authenticate(&*api.cluster, &api.verifier, &parts.headers).await?;
        let query = query(parts)?;
        let consistency = match query.get("consistency").map(String::as_str) {
            None | Some("linearizable") => Consistency::Linearizable,
            Some("stale") => Consistency::Stale,
            Some(_) => return Err(ApiError::field("consistency", "must be linearizable or stale")),
        };
        let seen = api.cluster.read(consistency, min_revision(&parts.headers)?).await?;
        let is_brief = parts.extensions.get::<Brief>().is_some();
        let read = Self { caller, query, is_brief, seen, cluster: api.cluster.clone() };
        // The view may be newer than the one that verified the key, which may be revoked since.
        read.identity()?;
        if let Some(session) = caller.session.and_then(|id| read.view().state().session(id)) {
            if session.engineer != caller.engineer {
                return Err(Refusal::ForeignSession(session.id).into());
            }
            read.keep_alive(session)?;
        }
        Ok(read)
    }
}

/// The parameters in the query of a request.
pub(crate) fn query(parts: &Parts) -> Result<HashMap<String, String>, ApiError> {
    let query = parts.uri.query().unwrap_or_default();
    serde_urlencoded(query).ok_or_else(|| ApiError::field("query", "is not a valid query string"))
}

fn serde_urlencoded(query: &str) -> Option<HashMap<String, String>> {
    axum::extract::Query::<HashMap<String, String>>::try_from_uri(&format!("/?{query}").parse().ok()?)
        .ok()
        .map(|query| query.0)
}

fn min_revision(headers: &HeaderMap) -> Result<Option<Revision>, ApiError> {
    let Some(value) = headers.get(names::MIN_REVISION) else { return Ok(None) };
    match value.to_str().ok().and_then(|text| text.trim().parse().ok()) {
        Some(revision) => Ok(Some(Revision(revision))),
        None => Err(ApiError::field("X-Nexus-Min-Revision", "must be a whole number")),
    }
}

impl Read {
    /// A read of an authenticated caller from the local state, for tests.
    #[cfg(test)]
    pub(crate) fn of(caller: Caller, query: HashMap<String, String>, cluster: Arc<dyn Cluster>) -> Self {
        let seen = ReadView { view: cluster.local(), staleness: None };
        Self { caller, query, seen, cluster, is_brief: false }
    }

    /// The view that answers.
    pub(crate) fn view(&self) -> &SharedView {
        &self.seen.view
    }

    /// The engineer and the key as the view knows them.
    pub(crate) fn identity(&self) -> Result<(&Arc<Engineer>, &Arc<ApiKey>), Refusal> {
        self.caller.identity(&*self.cluster, self.view().state())
    }

    /// A project that the caller may see.
    pub(crate) fn project(&self, id: ProjectId) -> Result<(&Arc<Project>, Option<&Arc<Member>>), Refusal> {
        let (engineer, key) = self.identity()?;
        let found = access::reader(self.view().state(), engineer, key, id)?;
        let default = || self.view().state().session_of(id, engineer.id, None);
        if let (None, Some(session)) = (self.caller.session, default()) {
            self.keep_alive(session)?;
        }
        Ok(found)
    }

    /// Renews the lease of the session that the request acts as, if the caller may write.
    fn keep_alive(&self, session: &Session) -> Result<(), Refusal> {
        let (engineer, key) = self.identity()?;
        if access::keeps_alive(self.view().state(), engineer, key, session) {
            self.cluster.keep_alive(session.id);
        }
        Ok(())
    }

    /// Wraps the data of an answer, with the revision that it reflects.
    pub(crate) fn answer<T: Serialize>(&self, data: T) -> Response {
        let mut response = Json(Data { data }).into_response();
        self.stamp(response.headers_mut());
        response
    }

    /// Sends an answer that is [`written`] already, with the revision that it reflects.
    pub(crate) fn answer_written(&self, text: Bytes) -> Response {
        let json = HeaderValue::from_static("application/json");
        let mut response = ([(header::CONTENT_TYPE, json)], text).into_response();
        self.stamp(response.headers_mut());
        response
    }

    /// Sends an answer that is written while it is sent.
    pub(crate) async fn answer_streamed(&self, api: &Api, json: StreamedJson) -> Result<Response, ApiError> {
        let mut response = json.answer(api.cluster.clone(), api.background.handle()).await?;
        self.stamp(response.headers_mut());
        Ok(response)
    }

    /// Sets the headers of the revision that the answer reflects, and of its possible age.
    pub(crate) fn stamp(&self, headers: &mut HeaderMap) {
        headers.insert(names::REVISION, HeaderValue::from(self.view().revision().0));
        if let Some(staleness) = self.seen.staleness {
            let millis = u64::try_from(staleness.as_millis()).unwrap_or(u64::MAX);
            headers.insert(names::STALENESS_MS, HeaderValue::from(millis));
        }
    }
}

/// An answer as JSON text. A long list is written where it is made, so that the list itself is freed before the answer
/// is sent.
pub(crate) fn written<T: Serialize>(data: T) -> Bytes {
    serde_json::to_vec(&Data { data }).expect("wire types are made of texts, numbers and lists").into()
}
