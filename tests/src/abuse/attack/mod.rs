//! How each kind is sent: one file each. Everything is bounded in number and ends when the time is over. Whatever an
//! attack opens stays open until the process ends.
//!
//! - [`context`]: the context that all of them share. [`run`]: the one place that knows all of them.

mod aborts;
mod bodies;
mod connections;
mod context;
mod dependencies;
mod features;
mod hook;
mod pages;
mod patterns;
mod peers;
mod people;
mod replies;
mod run;
mod sessions;
mod sockets;
mod unread;

pub use context::Attack;
pub use run::run;
