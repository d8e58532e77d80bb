//! Sends a snapshot to a follower that lags too far: over its own connection, in chunks with a deadline each. The
//! checksum that the store puts at the end of the snapshot shows whether it arrived intact; this module does not check
//! it.
//!
//! - [`messages`]: what both ends send.
//! - [`send`]: the leader's end.
//! - [`receive`]: the follower's end.

pub(super) mod messages;
mod receive;
mod send;

pub(super) use receive::serve;
pub(super) use send::send;
