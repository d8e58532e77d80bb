//! The OpenAPI description of the API, made from the routes and the wire types themselves.
//!
//! - [`routes`]: a router that takes no route without its description.
//! - [`operation`]: the description of one route, by its [`kind`]. [`parameter`]: its parameters in path, query and
//!   headers.
//! - [`document`]: all routes in one document.

mod document;
mod kind;
mod operation;
mod parameter;
mod routes;

pub(crate) use document::document;
pub(crate) use operation::{COMMAND, NO_COMMAND, Operation};
pub(crate) use parameter::Parameter;
pub(crate) use routes::Routes;
