//! The moment at which all requests of a command are over. Every client of the command shares it.

use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::time::{Instant, sleep};

/// The total time of a command, which the first request starts. Clones share the moment at which it ends.
#[derive(Clone, Debug)]
pub(crate) struct Deadline {
    total: Duration,
    /// Unset before the first request: what a person types before it takes no time of it.
    end: Rc<Cell<Option<Instant>>>,
}

impl Deadline {
    /// A total that no request has started yet.
    pub(crate) fn after(total: Duration) -> Self {
        Self { total, end: Rc::default() }
    }

    /// The whole time, whether or not it has started.
    pub(crate) const fn total(&self) -> Duration {
        self.total
    }

    /// The moment at which it ends. The first call starts it.
    pub(crate) fn end(&self) -> Instant {
        let end = self.end.get().unwrap_or_else(|| Instant::now() + self.total);
        self.end.set(Some(end));
        end
    }

    /// The time that is left. The first call starts it.
    pub(crate) fn left(&self) -> Duration {
        self.end().saturating_duration_since(Instant::now())
    }

    /// A deadline of its own for a part of the work: it ends after `longest`, and never later than this one.
    pub(crate) fn part(&self, longest: Duration) -> Self {
        Self::after(longest.min(self.left()))
    }

    /// Sleeps between two looks at something that takes long, of which each has the whole time.
    pub(crate) async fn pause(&self, pause: Duration) {
        sleep(pause).await;
        self.restart();
    }

    /// Gives the whole time again to what is asked from now on.
    pub(crate) fn restart(&self) {
        self.end.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_takes_no_time_of_what_is_asked_after_it() {
        let deadline = Deadline::after(Duration::from_secs(10));
        let first = deadline.end();
        deadline.clone().pause(Duration::from_millis(5)).await;
        assert!(deadline.end() >= first + Duration::from_millis(5));
    }

    #[test]
    fn clones_share_the_end_and_a_part_never_outlives_the_whole() {
        let whole = Deadline::after(Duration::from_secs(10));
        assert_eq!(whole.clone().end(), whole.end());
        let part = whole.part(Duration::from_secs(60));
        assert!(part.total() <= Duration::from_secs(10));
        assert_eq!(whole.part(Duration::from_secs(3)).total(), Duration::from_secs(3));
    }
}
