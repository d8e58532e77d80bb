//! An agent: starts a session, picks features, claims paths, beats, finishes or gives back, and sometimes dies. What
//! got no certain answer, it asks again with the same key through another node.

use super::ask::{Asker, Outcome, Request};
use nexus_oracles::history::{Ask, Beat, Consistency, OperationOutcome, SESSION_NOT_FOUND};
use rand::{RngExt, rngs::SmallRng};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// The lease of a session in an episode, in milliseconds.
pub const LEASE_MS: u64 = 3_000;
/// The grace after it, in milliseconds.
pub const GRACE_MS: u64 = 1_500;
/// How often an agent asks again with the same key before it gives up.
const ATTEMPTS: u32 = 4;
/// The share of its lease that an agent lets pass before it beats.
const BEATS_AFTER_US: u64 = LEASE_MS * 1_000 / 4;
/// An agent thinks for this long between two requests, in milliseconds.
const THINKS_MS: std::ops::Range<u64> = 5..60;

/// The features and paths of an episode.
#[derive(Clone)]
pub struct Work {
    /// Files and folders of real commits.
    pub paths: Arc<[String]>,
    /// The number of features that are written before the agents begin.
    pub features: usize,
}

/// The slug of a feature that is there from the beginning.
pub fn slug(number: usize) -> String {
    format!("feature-{number}")
}

/// An agent of an engineer.
pub struct Agent {
    asker: Asker,
    work: Work,
    rng: SmallRng,
    /// How often it has died, which its name shows: a new session is another agent.
    lives: u64,
    asked: u64,
    session: Option<String>,
    /// The feature that it works on.
    active: Option<String>,
    /// The feature that it wrote last, while nobody can pick it yet.
    draft: Option<String>,
    /// The last acknowledged beat.
    beaten_us: u64,
}

impl Agent {
    /// An agent without a session.
    pub fn new(asker: Asker, work: Work, rng: SmallRng) -> Self {
        Self { asker, work, rng, lives: 0, asked: 0, session: None, active: None, draft: None, beaten_us: 0 }
    }

    /// Works until it is stopped.
    pub async fn work(mut self, stop: Arc<AtomicBool>) {
        while !stop.load(Ordering::Relaxed) {
            let request = self.choose();
            let heard = self.ask(&request, &stop).await;
            self.learn(&request, &heard);
            let mut pause = self.rng.random_range(THINKS_MS);
            if self.rng.random_bool(0.004) {
                // A crash: it forgets everything, and its session is left to its lease.
                self.die();
                pause = self.rng.random_range(500..LEASE_MS * 2);
            }
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Sends a request, and again with the same key while nobody knows what came of it.
    async fn ask(&mut self, request: &Request, stop: &AtomicBool) -> Outcome {
        let mut node = self.rng.random_range(0..self.asker.urls.len());
        // A beat names its session in its path, and is made for it alone.
        let acts_as = self.session.clone();
        let mut attempts = 0;
        loop {
            let heard = self.asker.ask(node, acts_as.as_deref(), request).await;
            attempts += 1;
            let is_certain =
                !matches!(heard.outcome, OperationOutcome::Unknown | OperationOutcome::NotApplied);
            if is_certain || request.key.is_none() || attempts > ATTEMPTS || stop.load(Ordering::Relaxed) {
                return heard;
            }
            node = self.rng.random_range(0..self.asker.urls.len());
            sleep(Duration::from_millis(self.rng.random_range(5..100))).await;
        }
    }

    fn choose(&mut self) -> Request {
        let Some(session) = self.session.clone() else {
            let agent = format!("agent-{}-{}", self.asker.number, self.lives);
            return self.write(Ask::StartSession, Method::POST, "/sessions", Some(json!({ "agent": agent })));
        };
        if self.asker.recorder.now_us() > self.beaten_us + BEATS_AFTER_US && self.rng.random_bool(0.7) {
            return beat(&session);
        }
        if let Some(slug) = self.draft.take() {
            return self.name("ready", Method::POST, &format!("/features/{slug}/ready"), None);
        }
        let some = slug(self.rng.random_range(0..self.work.features));
        match (self.rng.random_range(0..100_u32), self.active.clone()) {
            (0..10, _) => self.read_claims(Consistency::Linearizable),
            (10..14, _) => self.read_claims(Consistency::Stale),
            (14..20, _) => beat(&session),
            (20..30, None) => self.of_feature(Ask::Pick { feature: some.clone() }, &some, "pick"),
            (30..48, None) => self.write(Ask::PickNext, Method::POST, "/features/pick-next", Some(json!({}))),
            (48..60, None) => self.new_feature(),
            (20..30, Some(slug)) => self.of_feature(Ask::Release { feature: slug.clone() }, &slug, "release"),
            (30..50, Some(slug)) => self.of_feature(Ask::Done { feature: slug.clone() }, &slug, "done"),
            (50..54, Some(slug)) => {
                let body = json!({ "content": "It was the cache." });
                self.name("learn", Method::POST, &format!("/features/{slug}/learnings"), Some(body))
            }
            (54..58, Some(_)) => {
                let body = json!({ "sessionId": session, "type": "manual", "notes": "half done" });
                self.name("checkpoint", Method::POST, "/sessions/checkpoints", Some(body))
            }
            (58..60, Some(slug)) => self.of_feature(Ask::Cancel { feature: slug.clone() }, &slug, "cancel"),
            (60..62, _) => self.of_feature(Ask::Pick { feature: some.clone() }, &some, "pick"),
            (62..86, _) => self.claim(),
            (86..95, _) => self.unclaim(),
            (95..96, _) => self.write(Ask::EndSession, Method::DELETE, &format!("/sessions/{session}"), None),
            (96..98, _) => {
                let body = json!({ "title": "No cache", "decision": "Off" });
                self.name("decide", Method::POST, "/decisions", Some(body))
            }
            _ => self.name("ready", Method::POST, &format!("/features/{some}/ready"), None),
        }
    }

    fn some_paths(&mut self, most: usize) -> Vec<String> {
        let count = self.rng.random_range(1..=most);
        let mut paths: Vec<String> = (0..count)
            .map(|_| self.work.paths[self.rng.random_range(0..self.work.paths.len())].clone())
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }

    fn new_feature(&mut self) -> Request {
        let slug = format!("work-{}-{}", self.asker.number, self.asked);
        let body = json!({
            "slug": slug, "title": "t", "spec": "s",
            "touches": self.some_paths(4), "reads": self.some_paths(2),
        });
        self.draft = Some(slug);
        self.name("create", Method::POST, "/features", Some(body))
    }

    fn claim(&mut self) -> Request {
        let (paths, exclusive) = (self.some_paths(2), self.rng.random_bool(0.6));
        let mode = if exclusive { "exclusive" } else { "shared" };
        let body = json!({ "paths": paths, "mode": mode });
        self.write(Ask::Claim { paths, exclusive, feature: None }, Method::POST, "/claims", Some(body))
    }

    fn unclaim(&mut self) -> Request {
        let paths = self.rng.random_bool(0.7).then(|| self.some_paths(2));
        let body = paths.as_ref().map_or_else(|| json!({}), |paths| json!({ "paths": paths }));
        self.write(Ask::Unclaim { paths }, Method::DELETE, "/claims", Some(body))
    }

    fn read_claims(&mut self, consistency: Consistency) -> Request {
        let (path, ask) = match consistency {
            Consistency::Linearizable => {
                ("/claims", Ask::ReadHolders { of: self.work.paths.to_vec(), consistency })
            }
            Consistency::Stale => {
                ("/claims?consistency=stale", Ask::Read { name: "claims".to_owned(), consistency })
            }
        };
        Request { ask, method: Method::GET, path: path.to_owned(), body: None, key: None }
    }

    fn of_feature(&mut self, ask: Ask, slug: &str, step: &str) -> Request {
        self.write(ask, Method::POST, &format!("/features/{slug}/{step}"), Some(json!({})))
    }

    /// A write that no oracle looks into but for the order.
    fn name(&mut self, name: &str, method: Method, path: &str, body: Option<Value>) -> Request {
        self.write(Ask::Write { name: name.to_owned() }, method, path, body)
    }

    fn write(&mut self, ask: Ask, method: Method, path: &str, body: Option<Value>) -> Request {
        self.asked += 1;
        let key = Some(format!("client-{}-{}", self.asker.number, self.asked));
        Request { ask, method, path: path.to_owned(), body, key }
    }

    fn learn(&mut self, request: &Request, heard: &Outcome) {
        let is_gone = heard.code() == SESSION_NOT_FOUND;
        match (&request.ask, heard.is_ok()) {
            (_, false) if is_gone => self.die(),
            (Ask::StartSession, true) => self.session = heard.data["id"].as_str().map(str::to_owned),
            (Ask::EndSession, true) => self.die(),
            (Ask::Beat, true) => self.note_beat(heard),
            (Ask::Pick { .. } | Ask::PickNext, true) => {
                self.active = heard.data["slug"].as_str().map(str::to_owned);
            }
            (Ask::Release { .. } | Ask::Done { .. } | Ask::Cancel { .. }, _) => self.active = None,
            _ => {}
        }
    }

    fn note_beat(&mut self, heard: &Outcome) {
        let Some(session) = self.session.clone() else { return };
        self.beaten_us = heard.called_us;
        let revision = match &heard.outcome {
            OperationOutcome::Ok(answered) => answered.revision,
            _ => None,
        };
        self.asker.recorder.beat(Beat {
            session,
            sent_us: heard.called_us,
            acknowledged_us: heard.returned_us,
            revision,
            cluster_ms: None,
            lease_ms: LEASE_MS,
            grace_ms: GRACE_MS,
        });
    }

    fn die(&mut self) {
        self.lives += 1;
        (self.session, self.active, self.beaten_us) = (None, None, 0);
    }
}

fn beat(session: &str) -> Request {
    let path = format!("/sessions/{session}/heartbeat");
    Request { ask: Ask::Beat, method: Method::POST, path, body: None, key: None }
}
