//! All routes in one OpenAPI 3.1 document.

use super::routes::RouteDescription;
use nexus_api_types::Failure;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder,
        ServerBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

const ABOUT: &str = "\
Coordinates coding agents on one codebase: an agent picks a feature, and every file that it will touch is \
claimed in the same step, or the pick is refused with who holds what.

Any node answers. Every success is `{\"data\": …}`, every failure `{\"error\": {code, message, details?, \
requestId}}`. Send the same `Idempotency-Key` with every try of a write: it is applied once. Events come \
over the WebSocket `/api/ws`, with the key in `Authorization` or a ticket of `POST /auth/ws-ticket`.";

/// The OpenAPI document of these routes, with paths relative to `/api`.
pub(crate) fn document(routes: Vec<RouteDescription>) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new();
    let mut schemas = Vec::new();
    Failure::schemas(&mut schemas);
    schemas.push((Failure::name().into_owned(), Failure::schema()));
    for RouteDescription { method, path, operation } in routes {
        let id = operation_id(&method, path);
        let operation = operation.finish(id, path, &mut schemas);
        paths = paths.path(path, PathItem::new(method, operation));
    }
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key: `nexus_eng_` and 64 hexadecimal digits."))
        .build();
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Nexus")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .license(Some(license)),
        )
        .servers(Some([ServerBuilder::new().url("/api").build()]))
        .paths(paths)
        .components(Some(components.security_scheme("apiKey", SecurityScheme::Http(key)).build()))
        .build()
}

/// `get_projects_project_features`: unique, since method and path are.
fn operation_id(method: &utoipa::openapi::HttpMethod, path: &str) -> String {
    let words = path.split(['/', '-', '.']).filter(|part| !part.is_empty());
    let words: Vec<&str> = words.map(|part| part.trim_matches(['{', '}'])).collect();
    let method = serde_json::to_value(method).ok();
    let method = method.as_ref().and_then(|method| method.as_str()).unwrap_or_default();
    format!("{method}_{}", words.join("_"))
}
