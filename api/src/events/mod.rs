//! The events of projects, as they are stored and as they come.
//!
//! A subscription is a cursor into the stored history. Recent events are read and rendered once per node and shared by
//! all subscribers ([`hub`]); a client that lags further reads the history itself ([`history`]). In both cases an event
//! is committed and applied on this node before it is sent.

pub(crate) mod history;
mod hub;

pub(crate) use hub::{Hub, Next, RenderedEvent, Subscriber};
