//! Follows the events of the team's project by long poll, through one node after the other, and records what is
//! announced.

use crate::{Client, Team};
use reqwest::Method;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::sleep};

/// A poll waits this long for new events.
const WAIT_MS: u64 = 1_000;
/// Time between two attempts.
const RETRY: Duration = Duration::from_millis(50);
/// Once it is stopped, it catches up within this time.
const CATCH_UP: Duration = Duration::from_secs(40);

/// The events that were announced.
#[derive(Debug, Default)]
pub struct ObservedEvents {
    /// Slugs of the features that were finished.
    pub completed: BTreeSet<String>,
    /// Ids of the sessions that ended.
    pub ended: BTreeSet<String>,
    /// Whether it received all events up to the end.
    pub is_complete: bool,
    /// Violations: what must not happen and did.
    pub broken: Vec<String>,
}

/// Follows the events of one project.
pub struct Observer {
    client: Client,
    team: Team,
    urls: Vec<String>,
    since: u64,
    last: (u64, u64),
    received: ObservedEvents,
}

impl Observer {
    /// Starts to follow now.
    pub async fn new(team: &Team, urls: &[String]) -> Self {
        let since = team.admin.get(&team.path("/status")).await.revision();
        let (client, received) = (team.admin.clone(), ObservedEvents::default());
        Self { client, team: team.clone(), urls: urls.to_vec(), since, last: (0, 0), received }
    }

    /// Follows until it is stopped, and has received all events before that.
    pub async fn listen(mut self, stop: watch::Receiver<bool>) -> ObservedEvents {
        let mut stopped_at = None;
        for turn in 0.. {
            // Taken before the request: its answer then has all earlier events.
            let is_last = *stop.borrow();
            if is_last {
                stopped_at.get_or_insert_with(Instant::now);
            }
            let url = &self.urls[turn % self.urls.len()];
            let query =
                format!("/events?since={}&limit=1000&waitMs={}", self.since, u64::from(!is_last) * WAIT_MS);
            let page = self.client.via(url).send(Method::GET, &self.team.path(&query), None).await;
            let page = page.ok().filter(|page| page.status != 503);
            match page {
                Some(page) if page.status == 200 => {
                    self.note_page(&page.body["data"]);
                    if is_last && page.body["data"]["hasMore"] == false {
                        self.received.is_complete = true;
                        break;
                    }
                }
                Some(page) => {
                    self.received.broken.push(format!("events: {} {}", page.status.as_u16(), page.message()));
                    break;
                }
                None => sleep(RETRY).await,
            }
            if stopped_at.is_some_and(|stopped_at: Instant| stopped_at.elapsed() > CATCH_UP) {
                self.received.broken.push(format!("events: not caught up in {CATCH_UP:?}"));
                break;
            }
        }
        self.received
    }

    fn note_page(&mut self, page: &Value) {
        for event in page["items"].as_array().into_iter().flatten() {
            let place = (event["revision"].as_u64().unwrap_or(0), event["seq"].as_u64().unwrap_or(0));
            if place <= self.last {
                self.received.broken.push(format!("event {place:?} came after {:?}", self.last));
            }
            self.last = place;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match event["type"].as_str() {
                Some("feature_completed")
                    if !self.received.completed.insert(text(&event["feature"]["slug"])) =>
                {
                    self.received.broken.push(format!("{} was finished twice", event["feature"]["slug"]));
                }
                Some("session_ended") => {
                    self.received.ended.insert(text(&event["sessionId"]));
                }
                _ => {}
            }
        }
        self.since = page["nextSince"].as_u64().unwrap_or(self.since);
    }
}
