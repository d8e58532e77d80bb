//! The REST and WebSocket interface of a Nexus node, on axum.
//!
//! Handlers have three steps: parse, propose or query, answer. What a node can do stands in
//! [`cluster`], a trait that this crate owns and the node implements: nothing here knows about Raft
//! or storage, and no rule about features or claims lives here.
//!
//! Reading order, from below to the top:
//! - [`cluster`]: what a node offers. [`mint`]: the source of ids and random values. [`config`]: settings.
//!   [`failure`]: errors as HTTP.
//! - The parts, each with its own limits: [`auth`] authenticates requests. [`rate_limits`]: how often requests may
//!   come. [`concurrency`]: how many run at once. [`bodies`]: bytes of bodies. [`response_memory`]: the memory of
//!   answers that clients have not taken yet. [`background`]: the threads of reads. [`compute`]: reads that are much
//!   work. [`events`]: the events of projects. [`draining`]: the node stops. [`browser`]: refuses requests of foreign
//!   pages.
//! - [`api`]: the state that handlers share, which has these parts; they do not know it.
//! - [`read`] and [`write`]: the two kinds of requests. [`expensive_writes`]: writes that are much work. [`operate`]:
//!   operations on the cluster, which are no commands. [`joining`]: the answer to a node that joins. [`references`]:
//!   the projects, features and engineers that a request names. [`sockets`]: sends events to subscribers.
//! - [`page`], [`streamed_json`] and [`brief`]: lists. [`documents`]: texts. [`usage`]: quotas. [`metrics`]: counters
//!   for Prometheus.
//! - [`routes`]: one file per resource. [`openapi`]: the description of the routes. [`pages`]: the same for people in
//!   browsers. [`mcp`]: the same as tools for agents. [`traces`]: the span of a request.
//!   [`service`]: the router, and the steps around every request. `fuzzing`: the fuzz targets of requests.

pub mod api;
pub mod auth;
mod background;
mod bodies;
mod brief;
mod browser;
pub mod cluster;
mod compute;
mod concurrency;
mod config;
mod documents;
mod draining;
mod events;
mod expensive_writes;
pub mod failure;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod joining;
mod mcp;
pub mod metrics;
pub mod mint;
mod openapi;
mod operate;
mod page;
mod pages;
mod rate_limits;
mod read;
mod references;
mod response_memory;
mod routes;
pub mod service;
mod sockets;
mod streamed_json;
pub mod traces;
mod usage;
mod write;

pub use api::Api;
pub use cluster::Cluster;
pub use config::{ApiConfig, MAX_SOCKETS};
pub use rate_limits::{Encrypted, RemoteAddr, network};
pub use response_memory::{ConnectionEnd, ResponseReservation};
pub use service::{monitoring, router};
