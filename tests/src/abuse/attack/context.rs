//! What all attacks share: the target, requests and their answers, the time, and what is reported.

use crate::{
    abuse::target::{Report, Target},
    usage,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;
use std::{
    any::Any,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Longer than any deadline of a node.
const TIMEOUT: Duration = Duration::from_secs(40);
/// Requests at once of a kind whose cost is on the nodes: enough to keep them at work, and too few for the attacker to
/// take the machine from them.
pub(crate) const WIDTH: usize = 16;

/// One kind on its way. Clones are the same one.
#[derive(Clone)]
pub struct Attack(Arc<Inner>);

struct Inner {
    target: Target,
    http: reqwest::Client,
    began: Instant,
    turn: AtomicUsize,
    report: Mutex<Report>,
    held: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// Who asks, as which session, under which idempotency key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    key: Option<String>,
    session: Option<String>,
    idempotency: Option<String>,
    /// Some node in turn, unless this one.
    node: Option<usize>,
}

impl Identity {
    /// Whoever has this key.
    pub(crate) fn key(key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::default() }
    }

    /// The same as a session.
    pub(crate) fn session(&self, id: &str) -> Self {
        Self { session: Some(id.to_owned()), ..self.clone() }
    }

    /// The id of the session that it acts as; empty without one.
    pub(crate) fn session_id(&self) -> &str {
        self.session.as_deref().unwrap_or_default()
    }

    /// The same under a new idempotency key.
    pub(crate) fn keyed(&self) -> Self {
        Self { idempotency: Some(uuid::Uuid::now_v7().to_string()), ..self.clone() }
    }

    /// The same through one node.
    pub(crate) fn via(&self, node: usize) -> Self {
        Self { node: Some(node), ..self.clone() }
    }
}

/// What a node answered.
pub(crate) struct ApiAnswer {
    pub(crate) status: u16,
    body: Bytes,
}

impl ApiAnswer {
    /// The id in what a success holds.
    pub(crate) fn id(&self) -> Option<String> {
        self.text("id")
    }

    /// A text in what a success holds.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body["data"][name].as_str()?.to_owned())
    }

    /// Where the next page of events begins.
    pub(crate) fn next_since(&self) -> Option<u64> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        body["data"]["nextSince"].as_u64()
    }
}

impl Attack {
    /// Begins now.
    ///
    /// # Panics
    /// When no client of HTTP can be made.
    pub fn new(target: Target) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        let http = http.expect("a client without settings can be made");
        let (turn, report, held) = (AtomicUsize::default(), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { target, http, began: Instant::now(), turn, report, held }))
    }

    /// What it did so far.
    pub fn report(&self) -> Report {
        let ticks = usage::of(std::process::id()).map_or(0, |usage| usage.ticks);
        Report { cpu: Duration::from_millis(ticks * 1000 / usage::TICKS_PER_SECOND), ..self.noted().clone() }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.0.target
    }

    /// A member of its project; which one does not matter.
    pub(crate) fn member(&self, number: usize) -> Identity {
        let members = &self.target().members;
        Identity::key(&members[number % members.len()])
    }

    /// A path in its project.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.target().project)
    }

    /// So many of what stays in the cluster, or is held: fewer when short.
    pub(crate) fn most(&self, most: usize, when_short: usize) -> usize {
        if self.target().is_short { when_short } else { most }
    }

    /// When a part of its time is over.
    pub(crate) fn end(&self, part: f64) -> Instant {
        self.0.began + self.target().span.mul_f64(part)
    }

    fn noted(&self) -> MutexGuard<'_, Report> {
        self.0.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was sent that has no answer of its own.
    pub(crate) fn sent(&self) {
        self.noted().sent += 1;
    }

    /// What was answered.
    pub(crate) fn answered(&self, answer: impl ToString) {
        *self.noted().answers.entry(answer.to_string()).or_default() += 1;
    }

    /// What else is worth knowing.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.noted().notes.push(text.into());
    }

    /// The same instead of all notes before.
    pub(crate) fn sum_up(&self, text: impl Into<String>) {
        self.noted().notes = vec![text.into()];
    }

    /// A bar of its own was missed.
    pub(crate) fn missed(&self, text: impl Into<String>) {
        self.noted().missed.push(text.into());
    }

    /// Keeps something open until the process ends.
    pub(crate) fn hold(&self, what: impl Any + Send) {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(what));
    }

    /// Sends a request and reads its answer; none when there is none.
    pub(crate) async fn ask(
        &self,
        who: &Identity,
        method: Method,
        path: &str,
        body: impl Into<Option<Bytes>>,
    ) -> Option<ApiAnswer> {
        let urls = &self.target().urls;
        let node = who.node.unwrap_or_else(|| self.0.turn.fetch_add(1, Ordering::Relaxed));
        let url = format!("{}/api{path}", urls[node % urls.len()]);
        let mut request = self.0.http.request(method, url);
        let headers = [("X-Nexus-Session", &who.session), ("Idempotency-Key", &who.idempotency)];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if let Some(key) = &who.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body.into() {
            request = request.header("Content-Type", "application/json").body(body);
        }
        self.sent();
        let answer = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>(ApiAnswer { status, body: response.bytes().await? })
        };
        match answer.await {
            Ok(answer) => {
                self.answered(answer.status);
                Some(answer)
            }
            Err(_) => {
                self.answered("lost");
                None
            }
        }
    }

    /// Sends a GET as `who`.
    pub(crate) async fn get(&self, who: &Identity, path: &str) -> Option<ApiAnswer> {
        self.ask(who, Method::GET, path, None).await
    }

    /// Sends a POST as `who`.
    pub(crate) async fn post(&self, who: &Identity, path: &str, body: impl Into<Bytes>) -> Option<ApiAnswer> {
        self.ask(who, Method::POST, path, body.into()).await
    }

    /// Sends a PATCH as `who`.
    pub(crate) async fn patch(
        &self,
        who: &Identity,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Option<ApiAnswer> {
        self.ask(who, Method::PATCH, path, body.into()).await
    }

    /// Begins a session of an agent in its project.
    pub(crate) async fn session(&self, who: &Identity, agent: &str) -> Option<Identity> {
        let body = serde_json::json!({ "agent": agent }).to_string();
        let begun = self.post(who, &self.path("/sessions"), body).await?;
        Some(who.session(&begun.id()?))
    }

    /// Sessions of two members: one to hold something, and one to want it.
    pub(crate) async fn two_sessions(&self) -> Option<[Identity; 2]> {
        let holder = self.session(&self.member(0), "holder").await?;
        Some([holder, self.session(&self.member(1), "other").await?])
    }

    /// Opens a connection again whenever it was cut off, with a pause before each, until the time is over.
    pub(crate) async fn again_and_again<Fut>(&self, pause: Duration, once: impl Fn() -> Fut)
    where
        Fut: Future<Output = Option<()>>,
    {
        while Instant::now() < self.end(1.0) {
            if once().await.is_none() {
                self.answered("cut off");
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Does something so many times, some at once, until it is done or a part of the time is over. Those that are on their
    /// way by then are broken off.
    pub(crate) async fn flood<F, Fut>(&self, part: f64, width: usize, count: usize, each: F)
    where
        F: Fn(usize) -> Fut,
        Fut: Future<Output = ()>,
    {
        let end = self.end(part);
        stream::iter(0..count)
            .map(each)
            .buffer_unordered(width)
            .take_until(tokio::time::sleep_until(end.into()))
            // What is answered at once must not keep the time from being looked at.
            .take_while(|()| std::future::ready(Instant::now() < end))
            .for_each(|()| std::future::ready(()))
            .await;
    }

    /// The same without an end but that of its time.
    pub(crate) async fn flood_on<F, Fut>(&self, part: f64, width: usize, each: F)
    where
        F: Fn(usize) -> Fut,
        Fut: Future<Output = ()>,
    {
        self.flood(part, width, usize::MAX, each).await;
    }
}
