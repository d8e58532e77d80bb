//! Waits for something to change in a project: by long poll, which any server answers. While none does, it goes on
//! trying until its own time is over, and says so once.

use crate::{
    client::Request,
    context::Context,
    error::{Error, Report},
};
use nexus_api_types::event::Events;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A poll waits this long at most: a server allows thirty seconds.
const LONGEST_POLL: Duration = Duration::from_secs(25);

/// Events of one answer.
const PAGE: usize = 500;

/// The longest time without an event before the caller looks again: changes such as that of a key cause none.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The pause before servers are tried again when none answered.
const PAUSE: Duration = Duration::from_secs(1);

/// A server that waits must answer before the command takes it for dead: each of them is given its share of
/// the time.
fn longest_wait(timeout: Duration, servers: usize) -> Duration {
    let shares = u32::try_from(servers + 1).unwrap_or(u32::MAX);
    (timeout / shares).min(LONGEST_POLL)
}

/// The changes of a project after a moment.
pub(super) struct Changes {
    project: Uuid,
    since: u64,
    until: Option<Instant>,
    /// Whether a server has answered before: a command that finds none to begin with fails.
    is_heard: bool,
    /// Whether it has printed that no server answers.
    is_cut_off: bool,
}

impl Changes {
    /// The changes from now on, for at most `longest`.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(super) async fn since_now(
        context: &Context<'_>,
        project: Uuid,
        longest: Duration,
    ) -> Result<Self, Error> {
        let now = context.client.send(Request::get(format!("/projects/{project}"))).await?.revision();
        let until = Instant::now().checked_add(longest);
        Ok(Self { project, since: now.unwrap_or_default(), until, is_heard: true, is_cut_off: false })
    }

    /// The changes after a revision, without an end.
    pub(super) const fn since(project: Uuid, revision: u64) -> Self {
        Self { project, since: revision, until: None, is_heard: false, is_cut_off: false }
    }

    /// Waits until something may have changed; not when the time is over.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(super) async fn next(&mut self, context: &Context<'_>) -> Result<bool, Error> {
        let look = Instant::now() + LOOK_EVERY;
        while Instant::now() < look {
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Ok(false);
            }
            let events = self.poll(context).await;
            if self.outlast(context, events).await?.is_some_and(|events| !events.items.is_empty()) {
                return Ok(true);
            }
        }
        Ok(true)
    }

    /// The next events. It waits for them, for one long poll at most, and may return none.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(super) async fn poll(&mut self, context: &Context<'_>) -> Result<Events, Error> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let wait = longest_wait(context.client.deadline().total(), context.client.server_count())
            .min(left.unwrap_or(LONGEST_POLL));
        let answered = self.ask(context, wait).await;
        match answered.as_ref().err().and_then(reset_at).filter(|_| self.is_heard) {
            Some(from) => {
                // What was seen last is lost. The next answer begins with the news of the reset.
                context.out.note(format_args!(
                    "The cluster was restored from an earlier state: goes on at revision {from}"
                ));
                self.since = from - 1;
                Ok(Events { items: Vec::new(), next_since: self.since, has_more: true })
            }
            None => answered,
        }
    }

    /// The same, for as long as there is time: that no server answers is waited for as well.
    ///
    /// # Errors
    /// When the cluster says no, or the time is over.
    pub(super) async fn follow(&mut self, context: &Context<'_>) -> Result<Events, Error> {
        loop {
            let events = self.poll(context).await;
            if let Some(events) = self.outlast(context, events).await? {
                return Ok(events);
            }
        }
    }

    /// Passes an answer on. If no server answered and there is time to ask again, it pauses and returns `None`.
    ///
    /// # Errors
    /// When the cluster says no, or the time is over.
    pub(super) async fn outlast<T>(
        &mut self,
        context: &Context<'_>,
        answered: Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let error = match answered {
            Err(error @ Error::Unreachable(_)) => error,
            answered => {
                self.is_heard = true;
                if std::mem::take(&mut self.is_cut_off) {
                    context.out.note("A server answers again");
                }
                return answered.map(Some);
            }
        };
        let again = Instant::now() + PAUSE;
        if !self.is_heard || self.until.is_some_and(|until| again >= until) {
            return Err(error);
        }
        if !std::mem::replace(&mut self.is_cut_off, true) {
            let reason = Report::new(&error, context.out.clock());
            let lines = reason.lines.iter().map(|line| format!("\n  {line}")).collect::<String>();
            context.out.note(format_args!("Goes on trying: {}{lines}", reason.message));
        }
        tokio::time::sleep_until(again).await;
        Ok(None)
    }

    /// The events that are there already, without waiting.
    ///
    /// # Errors
    /// When the cluster refuses it or no server answers.
    pub(super) async fn look(&mut self, context: &Context<'_>) -> Result<Events, Error> {
        self.ask(context, Duration::ZERO).await
    }

    async fn ask(&mut self, context: &Context<'_>, wait: Duration) -> Result<Events, Error> {
        let request = Request::get(format!("/projects/{}/events", self.project))
            .query("since", Some(self.since))
            .query("waitMs", Some(wait.as_millis()))
            .query("limit", Some(PAGE))
            .long_poll();
        context.client.restart_timeout();
        let events: Events = context.client.send(request).await?.parse()?;
        self.since = events.next_since;
        Ok(events)
    }
}

/// The first revision after a reset of the history that has lost the revision asked for.
fn reset_at(error: &Error) -> Option<u64> {
    let Error::Refused(refused) = error else { return None };
    let compacted = refused.body.details.as_ref()?.get("compacted")?;
    compacted.get("reset")?.as_bool().filter(|is_reset| *is_reset)?;
    compacted.get("oldest")?.as_u64().filter(|from| *from > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_a_poll_before_it_is_taken_for_dead() {
        for servers in 1..=5 {
            let timeout = Duration::from_secs(10);
            let share = timeout / u32::try_from(servers).unwrap_or(u32::MAX);
            assert!(longest_wait(timeout, servers) < share);
        }
        assert_eq!(longest_wait(Duration::from_secs(3_600), 3), LONGEST_POLL);
    }
}
