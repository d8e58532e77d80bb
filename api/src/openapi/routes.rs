//! A router that takes no route without its description: what is served is what is documented.

use super::Operation;
use crate::api::Api;
use axum::{Router, handler::Handler, routing::MethodRouter};
use utoipa::openapi::HttpMethod;

/// Routes with their descriptions.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Api>,
    described: Vec<Described>,
}

/// One route as the document has it.
pub(crate) struct Described {
    pub(crate) method: HttpMethod,
    pub(crate) path: &'static str,
    pub(crate) operation: Operation,
}

impl Routes {
    /// No route yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Answers `GET`.
    pub(crate) fn get<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.with(HttpMethod::Get, path, axum::routing::get(handler), operation)
    }

    /// Answers `POST`.
    pub(crate) fn post<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.with(HttpMethod::Post, path, axum::routing::post(handler), operation)
    }

    /// Answers `PATCH`.
    pub(crate) fn patch<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.with(HttpMethod::Patch, path, axum::routing::patch(handler), operation)
    }

    /// Answers `DELETE`.
    pub(crate) fn delete<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.with(HttpMethod::Delete, path, axum::routing::delete(handler), operation)
    }

    fn with(
        mut self,
        method: HttpMethod,
        path: &'static str,
        handler: MethodRouter<Api>,
        operation: Operation,
    ) -> Self {
        self.router = self.router.route(path, handler);
        self.described.push(Described { method, path, operation });
        self
    }

    /// Takes in other routes.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.described.extend(other.described);
        self
    }

    /// What serves them, and what describes them.
    pub(crate) fn into_parts(self) -> (Router<Api>, Vec<Described>) {
        (self.router, self.described)
    }
}
