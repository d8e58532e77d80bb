//! The pages for people in browsers, which load nothing from other hosts.
//!
//! - [`home`]: `/`, how this node is and where to go on. [`reference`]: `/docs`, the whole API.
//! - [`html`]: what both have in common. [`example`]: requests, as examples.

mod example;
mod home;
mod html;
mod reference;

use crate::{api::Api, openapi};
use axum::{
    Router,
    body::Bytes,
    http::header,
    response::{Html, IntoResponse, Redirect},
    routing::get,
};
use std::sync::LazyLock;

/// The routes of the reference, and of the document that it is made from.
pub(crate) fn reference() -> Router<Api> {
    Router::new()
        .route("/openapi.json", get(openapi_json))
        .route("/docs", get(docs))
        .route("/docs/", get(docs_without_slash))
        .route("/docs/search.js", get(search_script))
}

/// The route of `/`.
pub(crate) fn home() -> Router<Api> {
    Router::new().route("/", get(home::home))
}

struct Reference {
    json: Bytes,
    page: Bytes,
}

/// The description of the API. It is made at the first request for it, and does not change while the node runs.
static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let (_, descriptions) = crate::routes::api().into_parts();
    let document = openapi::document(descriptions);
    let json = document.to_json().expect("a document of plain values is JSON");
    Reference { json: json.into(), page: reference::page(&document).into() }
});

async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], REFERENCE.json.clone())
}

async fn docs() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, html::POLICY)], Html(REFERENCE.page.clone()))
}

/// Leads from `/docs/` to `/docs`: the links of the page are relative to the latter.
async fn docs_without_slash() -> Redirect {
    Redirect::permanent("../docs")
}

async fn search_script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("search.js"))
}
