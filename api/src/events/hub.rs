//! The recent events of each followed project, which are read and rendered once per node for all subscribers. It keeps
//! only a few megabytes: a subscriber that lags further reads the history.

use crate::{
    cluster::{Cluster, History},
    draining::Draining,
};
use axum::extract::ws::Utf8Bytes;
use nexus_api_types::event::Event;
use nexus_domain::{ProjectId, Recorded, Revision, State};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

/// Events that are read at once: about as many as a batch of applied entries has.
const PAGE: usize = 256;
/// Bytes of events kept for one project: enough for a subscriber that is slow for seconds, or that comes from another
/// node.
const MAX_FEED_BYTES: usize = 4 << 20;
/// Bytes of events kept for all projects.
const MAX_BYTES: usize = 64 << 20;
/// Pause after the history could not be read.
const PAUSE: Duration = Duration::from_millis(500);

/// An event as the JSON text that clients receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RenderedEvent {
    pub(crate) revision: Revision,
    pub(crate) text: Utf8Bytes,
}

impl RenderedEvent {
    /// Renders an event; none for one that clients are not sent.
    pub(crate) fn of(state: &State, recorded: &Recorded) -> Option<Self> {
        let event = Event::of(state, recorded)?;
        let text = serde_json::to_string(&event).expect("an event has only names, numbers and texts");
        Some(Self { revision: recorded.revision, text: text.into() })
    }
}

/// The events of one project within a range of revisions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) events: Vec<RenderedEvent>,
    through: Revision,
    bytes: usize,
}

/// The events that follow a subscriber's cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// All of the project's events after its cursor up to a revision; some may be before the cursor.
    Events(Vec<Arc<Batch>>, Revision),
    /// The cursor is older than the kept events: the history has them.
    Behind,
}

/// The recent events of all followed projects. Clones share them.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Shared>);

struct Shared {
    cluster: Arc<dyn Cluster>,
    draining: Draining,
    threads: Handle,
    recent: Mutex<RecentEvents>,
    first_subscriber: Notify,
}

#[derive(Default)]
struct RecentEvents {
    is_running: bool,
    /// The events of all followed projects up to this revision were read.
    position: Revision,
    feeds: HashMap<ProjectId, Feed>,
    bytes: usize,
}

struct Feed {
    /// The batches are complete after this revision.
    since: Revision,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    wake: watch::Sender<()>,
}

impl Hub {
    /// A hub that reads on these threads, once there is a subscriber.
    pub(crate) fn new(cluster: Arc<dyn Cluster>, draining: Draining, threads: Handle) -> Self {
        let (recent, first_subscriber) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { cluster, draining, threads, recent, first_subscriber }))
    }

    /// Subscribes to a project's events from now on.
    pub(crate) fn subscribe(&self, project: ProjectId) -> Subscriber {
        let wake = self.watch_feed(project);
        Subscriber { hub: self.clone(), project, wake }
    }

    fn recent(&self) -> MutexGuard<'_, RecentEvents> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch_feed(&self, project: ProjectId) -> watch::Receiver<()> {
        let applied = self.0.cluster.local().revision();
        let mut recent = self.recent();
        if recent.feeds.is_empty() {
            // There were no subscribers, so nothing is missed by continuing from here.
            recent.position = recent.position.max(applied);
            self.0.first_subscriber.notify_one();
        }
        if !std::mem::replace(&mut recent.is_running, true) {
            self.0.threads.spawn(self.clone().run());
        }
        let since = recent.position;
        let feed = recent.feeds.entry(project).or_insert_with(|| Feed {
            since,
            batches: VecDeque::new(),
            bytes: 0,
            wake: watch::Sender::new(()),
        });
        feed.wake.subscribe()
    }

    /// Reads every event once, until the node stops.
    async fn run(self) {
        let mut draining = self.0.draining.clone();
        tokio::select! {
            () = self.read_on() => {}
            () = draining.begun() => {}
        }
    }

    async fn read_on(&self) {
        loop {
            let Some(position) = self.position() else {
                self.0.first_subscriber.notified().await;
                continue;
            };
            if self.0.cluster.applied_after(position).await.is_none() {
                return;
            }
            match self.0.cluster.events(Revision(position.0 + 1), PAGE).await {
                Ok(page) => self.publish(position, &page),
                Err(error) => {
                    tracing::error!(%error, "the history cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The revision that was read last; none without subscribers.
    fn position(&self) -> Option<Revision> {
        let mut recent = self.recent();
        let RecentEvents { feeds, bytes, .. } = &mut *recent;
        feeds.retain(|_, feed| {
            let is_followed = feed.wake.receiver_count() > 0;
            if !is_followed {
                *bytes -= feed.bytes;
            }
            is_followed
        });
        (!feeds.is_empty()).then_some(recent.position)
    }

    /// Adds a page of events after a revision to the feeds, and wakes their subscribers.
    fn publish(&self, after: Revision, page: &History) {
        let through = Revision(page.next.0.saturating_sub(1));
        let followed: HashSet<ProjectId> = self.recent().feeds.keys().copied().collect();
        let view = self.0.cluster.local();
        let mut rendered: HashMap<ProjectId, Vec<RenderedEvent>> = HashMap::new();
        for recorded in &page.events {
            let Some(project) = recorded.event.project().filter(|project| followed.contains(project)) else {
                continue;
            };
            rendered.entry(project).or_default().extend(RenderedEvent::of(view.state(), recorded));
        }
        let mut recent = self.recent();
        let RecentEvents { position, feeds, bytes, .. } = &mut *recent;
        if page.oldest > Revision(after.0 + 1) {
            // A snapshot replaced the next events: subscribers have to read the history.
            feeds.clear();
            *bytes = 0;
        }
        for (project, feed) in feeds.iter_mut() {
            if !followed.contains(project) {
                // The feed was added while this page was rendered, so the page has none of its events.
                *bytes -= feed.bytes;
                (feed.since, feed.bytes) = (through.max(feed.since), 0);
                feed.batches.clear();
                feed.wake.send_replace(());
            } else if let Some(events) = rendered.remove(project).filter(|_| through > feed.since) {
                let size = events.iter().map(|event| event.text.len()).sum();
                feed.batches.push_back(Arc::new(Batch { events, through, bytes: size }));
                feed.bytes += size;
                *bytes += size;
                while feed.bytes > MAX_FEED_BYTES {
                    *bytes -= feed.forget_oldest();
                }
                feed.wake.send_replace(());
            }
        }
        *position = through.max(*position);
        recent.forget_down_to(MAX_BYTES);
    }
}

impl RecentEvents {
    /// Drops the oldest batches of the largest feeds, until at most `most` bytes are kept. So a busy project takes
    /// nothing from others.
    fn forget_down_to(&mut self, most: usize) {
        while self.bytes > most {
            let largest = self.feeds.values_mut().max_by_key(|feed| feed.bytes);
            let Some(largest) = largest.filter(|feed| feed.bytes > 0) else { break };
            self.bytes -= largest.forget_oldest();
        }
    }
}

impl Feed {
    /// Drops the oldest batch, and returns its bytes.
    fn forget_oldest(&mut self) -> usize {
        let Some(oldest) = self.batches.pop_front() else { return 0 };
        self.since = oldest.through.max(self.since);
        self.bytes -= oldest.bytes;
        oldest.bytes
    }
}

/// One subscriber to one project's events.
pub(crate) struct Subscriber {
    hub: Hub,
    project: ProjectId,
    wake: watch::Receiver<()>,
}

impl Subscriber {
    /// The events after a cursor. To be called before waiting for a [change](Self::changed).
    pub(crate) fn after(&mut self, cursor: Revision) -> Next {
        if self.wake.has_changed().is_err() {
            self.wake = self.hub.watch_feed(self.project);
        }
        self.wake.borrow_and_update();
        let recent = self.hub.recent();
        match recent.feeds.get(&self.project) {
            Some(feed) if feed.since <= cursor => {
                let first = feed.batches.partition_point(|batch| batch.through <= cursor);
                Next::Events(feed.batches.range(first..).cloned().collect(), recent.position.max(cursor))
            }
            Some(_) => Next::Behind,
            // The feed was just dropped; the next call subscribes again.
            None => Next::Behind,
        }
    }

    /// Waits until there may be events that [`Self::after`] has not returned yet.
    pub(crate) async fn changed(&mut self) {
        // An error means that the feed was dropped; the history has what comes next.
        let _ = self.wake.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    /// A feed with this many batches of this many bytes, with the revisions 1, 2 and so on.
    fn feed(batches: u64, bytes: usize) -> Feed {
        let batch = |through| Arc::new(Batch { events: Vec::new(), through: Revision(through), bytes });
        Feed {
            since: Revision(0),
            batches: (1..=batches).map(batch).collect(),
            bytes: bytes * batches as usize,
            wake: watch::Sender::new(()),
        }
    }

    #[test]
    fn a_project_in_which_much_happens_takes_nothing_from_others() {
        let feeds: HashMap<ProjectId, Feed> = (0..16)
            .map(|number| (number, feed(8, 100)))
            .chain((16..20).map(|number| (number, feed(3, 1))))
            .map(|(number, feed)| (ProjectId(Uuid::from_u128(number)), feed))
            .collect();
        let bytes = feeds.values().map(|feed| feed.bytes).sum();
        let mut recent = RecentEvents { feeds, bytes, ..RecentEvents::default() };
        recent.forget_down_to(8_012);
        assert_eq!(recent.bytes, 8_012);
        assert_eq!(recent.bytes, recent.feeds.values().map(|feed| feed.bytes).sum::<usize>());
        for (project, feed) in &recent.feeds {
            let is_small = project.0.as_u128() >= 16;
            assert_eq!(feed.batches.len(), if is_small { 3 } else { 5 }, "{project}");
            let oldest = feed.batches.front().map(|batch| batch.through.0);
            assert_eq!(oldest, Some(feed.since.0 + 1));
        }
        recent.forget_down_to(0);
        assert!(recent.feeds.values().all(|feed| feed.batches.is_empty()));
    }
}
