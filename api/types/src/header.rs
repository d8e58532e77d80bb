//! The names of the headers that the contract adds to HTTP's own.

/// Echoed, or minted when absent; also in every error and log line.
pub const REQUEST_ID: &str = "x-request-id";
/// The session that acts.
pub const SESSION: &str = "x-nexus-session";
/// The same key and body give the first answer again.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The log index that an answer reflects.
pub const REVISION: &str = "x-nexus-revision";
/// On a read: wait until this log index is applied.
pub const MIN_REVISION: &str = "x-nexus-min-revision";
/// On a stale read: how old the answer may be, in milliseconds.
pub const STALENESS_MS: &str = "x-nexus-staleness-ms";
/// On a list that is cut: how many items there are.
pub const TOTAL_COUNT: &str = "x-total-count";
