//! The context of an attack: the target, requests and their answers, the time, and the report.

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

/// The timeout of a request: longer than any deadline of a node.
const TIMEOUT: Duration = Duration::from_secs(40);
/// Concurrent requests of a kind that is expensive for the nodes: enough to keep the nodes busy, and too few for the
/// attacker to take the processor from them.
pub(crate) const WIDTH: usize = 16;

/// One attack under way. Clones share it.
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

/// The sender of a request: its API key, its session and its idempotency key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    key: Option<String>,
    session: Option<String>,
    idempotency: Option<String>,
    /// The node to send to; each node in turn if this is none.
    node: Option<usize>,
}

impl Identity {
    /// A sender with this API key.
    pub(crate) fn key(key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::default() }
    }

    /// The same sender, acting as a session.
    pub(crate) fn session(&self, id: &str) -> Self {
        Self { session: Some(id.to_owned()), ..self.clone() }
    }

    /// The id of the session of the sender; empty without a session.
    pub(crate) fn session_id(&self) -> &str {
        self.session.as_deref().unwrap_or_default()
    }

    /// The same sender with a new idempotency key.
    pub(crate) fn keyed(&self) -> Self {
        Self { idempotency: Some(uuid::Uuid::now_v7().to_string()), ..self.clone() }
    }

    /// The same sender through one node.
    pub(crate) fn via(&self, node: usize) -> Self {
        Self { node: Some(node), ..self.clone() }
    }
}

/// The answer of a node.
pub(crate) struct ApiAnswer {
    pub(crate) status: u16,
    body: Bytes,
}

impl ApiAnswer {
    /// The id in the data of a success.
    pub(crate) fn id(&self) -> Option<String> {
        self.text("id")
    }

    /// A text in the data of a success.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body["data"][name].as_str()?.to_owned())
    }

    /// The revision at which the next page of events begins.
    pub(crate) fn next_since(&self) -> Option<u64> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        body["data"]["nextSince"].as_u64()
    }
}

impl Attack {
    /// Starts the attack now.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub fn new(target: Target) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        let http = http.expect("a client without settings can be made");
        let (turn, report, held) = (AtomicUsize::default(), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { target, http, began: Instant::now(), turn, report, held }))
    }

    /// The report so far.
    pub fn report(&self) -> Report {
        let ticks = usage::of(std::process::id()).map_or(0, |usage| usage.ticks);
        Report { cpu: Duration::from_millis(ticks * 1000 / usage::TICKS_PER_SECOND), ..self.noted().clone() }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.0.target
    }

    /// A member of the attacker's project: the numbers wrap around.
    pub(crate) fn member(&self, number: usize) -> Identity {
        let members = &self.target().members;
        Identity::key(&members[number % members.len()])
    }

    /// A path in the attacker's project.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/projects/{}{rest}", self.target().project)
    }

    /// The number of things to store or hold: fewer in a short run.
    pub(crate) fn most(&self, most: usize, when_short: usize) -> usize {
        if self.target().is_short { when_short } else { most }
    }

    /// The moment at which this part of the time is over.
    pub(crate) fn end(&self, part: f64) -> Instant {
        self.0.began + self.target().span.mul_f64(part)
    }

    fn noted(&self) -> MutexGuard<'_, Report> {
        self.0.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message that gets no answer of its own.
    pub(crate) fn sent(&self) {
        self.noted().sent += 1;
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, answer: impl ToString) {
        *self.noted().answers.entry(answer.to_string()).or_default() += 1;
    }

    /// Adds a note to the report.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.noted().notes.push(text.into());
    }

    /// Replaces all notes in the report.
    pub(crate) fn sum_up(&self, text: impl Into<String>) {
        self.noted().notes = vec![text.into()];
    }

    /// Reports that a bar of the attack itself was missed.
    pub(crate) fn missed(&self, text: impl Into<String>) {
        self.noted().missed.push(text.into());
    }

    /// Keeps a connection open until the process ends.
    pub(crate) fn hold(&self, what: impl Any + Send) {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(what));
    }

    /// Sends a request and reads its answer; none without an answer.
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

    /// Starts a session of an agent in the attacker's project.
    pub(crate) async fn session(&self, who: &Identity, agent: &str) -> Option<Identity> {
        let body = serde_json::json!({ "agent": agent }).to_string();
        let begun = self.post(who, &self.path("/sessions"), body).await?;
        Some(who.session(&begun.id()?))
    }

    /// Sessions of two members: one holds paths, and the other one wants them.
    pub(crate) async fn two_sessions(&self) -> Option<[Identity; 2]> {
        let holder = self.session(&self.member(0), "holder").await?;
        Some([holder, self.session(&self.member(1), "other").await?])
    }

    /// Opens a connection again whenever it was closed, with a pause before each, until the time is over.
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

    /// Runs a task this many times, some at once, until all are done or a part of the time is over. Tasks that are
    /// still running by then are aborted.
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
            // Immediate answers must not keep the time from being checked.
            .take_while(|()| std::future::ready(Instant::now() < end))
            .for_each(|()| std::future::ready(()))
            .await;
    }

    /// Runs tasks until the time is over.
    pub(crate) async fn flood_on<F, Fut>(&self, part: f64, width: usize, each: F)
    where
        F: Fn(usize) -> Fut,
        Fut: Future<Output = ()>,
    {
        self.flood(part, width, usize::MAX, each).await;
    }
}
