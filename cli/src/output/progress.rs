//! A line for a person who waits. It appears only on a terminal and after a second, and is removed at the end.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};
use tokio::time::Instant;

/// The wait before the line appears, and between two of its updates.
const EVERY: Duration = Duration::from_secs(1);

/// Moves to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[2K";

/// Whether a person would see the line.
pub(super) fn has_watcher() -> bool {
    io::stderr().is_terminal()
}

/// A line for people who wait, rewritten about once a second.
pub(crate) struct Progress {
    is_wanted: bool,
    is_shown: bool,
    begun: Instant,
    next: Instant,
}

impl Progress {
    /// Starts to count the time now. Nothing is ever written unless `is_wanted`.
    pub(crate) fn new(is_wanted: bool) -> Self {
        let begun = Instant::now();
        Self { is_wanted, is_shown: false, begun, next: begun + EVERY }
    }

    /// Updates the line, if the last update is long enough ago. `words` gets the time that has passed, and its text has
    /// to fit into one line.
    pub(crate) fn update(&mut self, words: impl FnOnce(Duration) -> String) {
        let now = Instant::now();
        if !self.is_wanted || now < self.next {
            return;
        }
        self.next = now + EVERY;
        self.is_shown = true;
        self.write(&format!("{CLEAR}{}", words(now - self.begun)));
    }

    /// Waits for `work`, and updates the line meanwhile.
    pub(crate) async fn during<T>(
        mut self,
        work: impl Future<Output = T>,
        words: impl Fn(Duration) -> String,
    ) -> T {
        if !self.is_wanted {
            return work.await;
        }
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep_until(self.next) => self.update(&words),
            }
        }
    }

    fn write(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        // If stderr is closed, there is nowhere to report it.
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            self.write(CLEAR);
        }
    }
}
