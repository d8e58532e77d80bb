//! The session that a run acts as, and the process that keeps it alive.
//!
//! - [`acting_session`]: the session that a command acts as.
//! - [`keep_alive`]: the process that sends heartbeats while a run lives. [`supervised_session`]: the session that it
//!   keeps alive, what the session holds, and how that is claimed again.

mod acting_session;
mod keep_alive;
mod supervised_session;

pub(crate) use keep_alive::{ClaimLifetime, KeepAlive, ensure_keep_alive};
