//! The REST and WebSocket interface of a Nexus node, on axum.
//!
//! Handlers have three steps: parse, propose or query, answer. What a node can do stands in
//! [`cluster`], a trait that this crate owns and the node implements: nothing here knows about Raft
//! or storage, and no rule about features or claims lives here.
//!
//! Reading order:
//! - [`cluster`]: what a node offers. [`mint`]: where ids and random values come from.
//! - [`service`]: the router, and what happens around every request. [`api`]: what handlers share.
//! - [`auth`]: who asks. [`limits`]: how often they may, [`places`]: how much at once, [`rooms`]: what is held of
//!   answers until they are taken. [`browser`]: what pages may not.
//! - [`background`]: the threads of reads. [`read`] and [`write`]: the two kinds of requests. [`operate`]: writes beside the log. [`fields`]: bodies;
//!   [`sorted_json`]: objects that are compared. [`page`], [`whole`] and [`brief`]: lists.
//! - [`failure`]: what can go wrong, as HTTP. [`render`]: entities as the wire has them.
//! - [`events`]: who follows what happens. [`routes`]: one file a resource. [`metrics`]: what is counted.
//! - [`openapi`]: the description of the routes. [`mcp`]: the same as tools for agents.

pub mod api;
pub mod auth;
mod background;
mod brief;
mod browser;
pub mod cluster;
mod compute;
mod dear;
mod events;
pub mod failure;
mod fields;
mod limits;
mod mcp;
pub mod metrics;
pub mod mint;
mod openapi;
mod operate;
mod page;
mod paths;
mod places;
mod read;
mod render;
mod rooms;
mod routes;
pub mod service;
mod sorted_json;
mod usage;
mod whole;
mod write;

pub use api::{Api, ApiConfig};
pub use cluster::Cluster;
pub use events::MAX_SOCKETS;
pub use limits::{RemoteAddr, network};
pub use rooms::{AnswerRoom, ConnectionEnd};
pub use service::{monitoring, router};
