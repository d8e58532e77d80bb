//! The REST and WebSocket interface of a Nexus node, on axum.
//!
//! Handlers have three steps: parse, propose or query, answer. What a node can do stands in
//! [`cluster`], a trait that this crate owns and the node implements: nothing here knows about Raft
//! or storage, and no rule about features or claims lives here.
//!
//! Reading order:
//! - [`cluster`]: what a node offers. [`mint`]: the source of ids and random values.
//! - [`service`]: the router, and the steps around every request. [`api`]: the state that handlers share.
//! - [`auth`]: authenticates requests. [`rate_limits`]: how often requests may come. [`concurrency`]: how many run at
//!   once. [`response_memory`]: the memory of answers that clients have not taken yet. [`browser`]: refuses requests of
//!   foreign pages.
//! - [`background`]: the threads of reads. [`read`] and [`write`]: the two kinds of requests. [`expensive_writes`] and
//!   [`compute`]: requests that are much work. [`operate`]: operations on the cluster, which are no commands.
//! - [`page`], [`streamed_json`] and [`brief`]: lists.
//! - [`failure`]: errors as HTTP. [`render`]: entities as wire types. [`usage`]: quotas.
//! - [`events`]: sends events to subscribers. [`routes`]: one file per resource. [`metrics`]: counters for Prometheus.
//! - [`openapi`]: the description of the routes. [`mcp`]: the same as tools for agents.

pub mod api;
pub mod auth;
mod background;
mod brief;
mod browser;
pub mod cluster;
mod compute;
mod concurrency;
mod events;
mod expensive_writes;
pub mod failure;
mod mcp;
pub mod metrics;
pub mod mint;
mod openapi;
mod operate;
mod page;
mod rate_limits;
mod read;
mod render;
mod response_memory;
mod routes;
pub mod service;
mod streamed_json;
mod usage;
mod write;

pub use api::{Api, ApiConfig};
pub use cluster::Cluster;
pub use events::MAX_SOCKETS;
pub use rate_limits::{RemoteAddr, network};
pub use response_memory::{ConnectionEnd, ResponseReservation};
pub use service::{monitoring, router};
