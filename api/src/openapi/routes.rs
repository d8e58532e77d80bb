//! A router that takes no route without its description, so that every route is documented.

use super::Operation;
use crate::api::Api;
use axum::{Router, handler::Handler, routing::MethodRouter};
use utoipa::openapi::HttpMethod;

/// Routes with their descriptions.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Api>,
    described: Vec<RouteDescription>,
}

/// One route as the document has it.
pub(crate) struct RouteDescription {
    pub(crate) method: HttpMethod,
    pub(crate) path: &'static str,
    pub(crate) operation: Operation,
}

impl Routes {
    /// A router without routes.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a route for `GET`.
    pub(crate) fn get<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.with(HttpMethod::Get, path, axum::routing::get(handler), operation)
    }

    /// Adds a route for `POST`.
    pub(crate) fn post<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.with(HttpMethod::Post, path, axum::routing::post(handler), operation)
    }

    /// Adds a route for `PATCH`.
    pub(crate) fn patch<H, T>(self, path: &'static str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        self.with(HttpMethod::Patch, path, axum::routing::patch(handler), operation)
    }

    /// Adds a route for `DELETE`.
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
        self.described.push(RouteDescription { method, path, operation });
        self
    }

    /// Adds other routes.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.described.extend(other.described);
        self
    }

    /// The router, and the descriptions of its routes.
    pub(crate) fn into_parts(self) -> (Router<Api>, Vec<RouteDescription>) {
        (self.router, self.described)
    }
}
