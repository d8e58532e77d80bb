//! The types of the wire between a Nexus node and its clients.
//!
//! JSON in camelCase, times in ISO 8601 UTC with milliseconds. Servers write these types and
//! clients read them; both ignore fields that they do not know, so that either can be newer.
//! No type of the state machine is shown as it is.
//!
//! - [`envelope`]: `data`, `error`, pages. [`code`]: the stable error codes.
//! - [`body`]: the bodies of requests, which are declared once for clients, servers and the documentation.
//! - [`header`]: header names. [`moment`]: times. [`certificate`]: the names that certificates give to nodes.
//! - One file per resource: [`engineer`], [`project`], [`feature`], [`claim`], [`session`],
//!   [`checkpoint`], [`knowledge`], [`roadmap`], [`cluster`] with [`change_plan`] and [`cluster_member`], [`health`].
//!   [`holder`]: the session of a holder, for people.
//! - [`event`]: events. [`socket`]: the messages of the WebSocket. [`text`]: schemas of texts with a form of their own.

pub mod body;
pub mod certificate;
pub mod change_plan;
pub mod checkpoint;
pub mod claim;
pub mod cluster;
pub mod cluster_member;
pub mod code;
pub mod engineer;
pub mod envelope;
pub mod event;
pub mod feature;
pub mod header;
pub mod health;
pub mod holder;
pub mod knowledge;
pub mod moment;
pub mod project;
pub mod roadmap;
pub mod session;
pub mod socket;
pub mod text;

pub use code::Code;
pub use envelope::{Data, ErrorBody, Failure, Page};
pub use moment::Moment;
