//! Waits for conditions, and reports skipped tests. The limits are far above normal durations: they end a failing test,
//! and never decide a passing one.

use std::{
    fmt,
    future::Future,
    io::{Write, stderr},
    time::Duration,
};
use tokio::time::Instant;

/// A condition that does not become true in this time never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two checks.
const PAUSE: Duration = Duration::from_millis(20);

/// Checks until there is a value.
///
/// # Panics
/// When there is no value after a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    within(PATIENCE, what, look).await
}

/// Checks until there is a value, for at most this span.
///
/// # Panics
/// When there is no value by then.
pub async fn within<T, F: Future<Output = Option<T>>>(
    span: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + span;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {span:?} in vain until {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reports that a test cannot be run on this machine. Writes past the test harness, which hides the output of a test
/// that passes, and a skipped test passes.
pub fn skipped(why: fmt::Arguments<'_>) {
    let _ = writeln!(stderr(), "SKIPPED: {why}");
}
