//! Nexus as a server of the Model Context Protocol: ten tools and some resources, over any transport.
//!
//! - [`port`]: the trait through which requests reach a project. The programs that serve the tools implement it.
//! - [`transport`]: stdio and HTTP. [`server`]: the protocol. [`tools`]: the tools of an agent. [`resources`]: texts
//!   that it can read.
//! - [`refusal`]: explains failures to an agent, so that it knows what to do next.
//!
//! Every tool is one or two requests of the REST contract. This crate decides nothing itself.

pub mod port;
mod refusal;
mod resources;
pub mod server;
mod tools;
pub mod transport;

pub use port::{Failure, Method, Port, Request, SessionUse, ToolPermit};
pub use rmcp::model::Tool;
pub use server::Server;

/// The tools, each with its name, its description, and the schemas of its arguments and of its answer.
pub fn tools() -> &'static [Tool] {
    &tools::TOOLS
}
