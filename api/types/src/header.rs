//! The names of the headers that the contract adds to HTTP's own.

/// Echoed, or minted when absent; also in every error and log line.
pub const REQUEST_ID: &str = "x-request-id";
/// The session that acts.
pub const SESSION: &str = "x-nexus-session";
/// The same key and body give the first answer again.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The log index that an answer reflects.
pub const REVISION: &str = "x-nexus-revision";
/// A read waits until the node has applied this log index.
pub const MIN_REVISION: &str = "x-nexus-min-revision";
/// The log index at which the history was reset, in the answer to a retry of a write from before that.
pub const HISTORY_RESET: &str = "x-nexus-history-reset";
/// The age of a stale read's answer, in milliseconds.
pub const STALENESS_MS: &str = "x-nexus-staleness-ms";
/// The number of all items, on a list that is cut short.
pub const TOTAL_COUNT: &str = "x-total-count";
