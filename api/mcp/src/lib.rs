//! Nexus as a server of the Model Context Protocol: ten tools and what belongs to them, over any transport.
//!
//! - [`port`]: how a request reaches a project, which whoever serves this implements.
//! - [`transport`]: how messages come and go. [`server`]: the protocol. [`tools`]: what an agent can do. [`resources`]: what it can read.
//! - [`refusal`]: what an agent is told of a failure, so that it knows what to do next.
//!
//! Every tool is one or two requests of the REST contract: nothing is decided here.

pub mod port;
mod refusal;
mod resources;
pub mod server;
mod tools;
pub mod transport;

pub use port::{Failure, Method, Part, Port, Request, Turn};
pub use server::Server;
