//! A line for a person who waits: only on a terminal, not before the wait is a second old, and gone with it.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};
use tokio::time::Instant;

/// Below that nobody wonders. The line is written anew as often.
const EVERY: Duration = Duration::from_secs(1);

/// To the beginning of the line, and all of it gone.
const CLEAR: &str = "\r\x1b[2K";

/// Whether anybody would see it.
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

    /// Says how far it is, if it is time to; the words are told for how long it has been going on. They have to fit
    /// into one line.
    pub(crate) fn update(&mut self, words: impl FnOnce(Duration) -> String) {
        let now = Instant::now();
        if !self.is_wanted || now < self.next {
            return;
        }
        self.next = now + EVERY;
        self.is_shown = true;
        self.write(&format!("{CLEAR}{}", words(now - self.begun)));
    }

    /// Waits for the end of it, and says so.
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
        // Nobody is left to be told that stderr is closed.
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
