//! Waiting for conditions, and what cannot be waited for. The limits are far above what is normal: they
//! end a broken test, and never decide a sound one.

use std::{
    fmt,
    future::Future,
    io::{Write, stderr},
    time::Duration,
};
use tokio::time::Instant;

/// A condition that does not come true in this time never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
///
/// # Panics
/// When there is nothing after a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    within(PATIENCE, what, look).await
}

/// Looks until there is something to see, no longer than a span.
///
/// # Panics
/// When there is nothing by then.
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

/// Says that a test cannot be run on this machine. Where it is seen: what `println!` says in a test that
/// passes is thrown away, and a test that was skipped passes.
pub fn skipped(why: fmt::Arguments<'_>) {
    let _ = writeln!(stderr(), "SKIPPED: {why}");
}
