//! The honest team: engineers whose agents write features, pick, claim, send heartbeats, read and finish, faster than
//! people do. Each write has one idempotency key until it is answered. Records how long each request took, what was
//! acknowledged, and what of that did not hold.

use super::observer::{ObservedEvents, Observer};
use crate::{Answer, Client, Team};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet, time::sleep};

/// The number of engineers, and of agents of each.
const ENGINEERS: usize = 4;
const AGENTS_OF_ENGINEER: usize = 2;
/// Time between two requests of one agent: all together write some hundred times a second.
const PAUSE: Duration = Duration::from_millis(40);
/// Time between two heartbeats of an agent. Its lease lasts for [`LEASE_SECONDS`].
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Seconds of silence after which a session of this cluster is disconnected.
pub const LEASE_SECONDS: u64 = 10;
/// Further seconds of silence after which a disconnected session loses its claims.
pub const GRACE_SECONDS: u64 = 5;
/// Time between two registrations of new engineers.
const REGISTER_EVERY: Duration = Duration::from_secs(2);
/// Time between two attempts of one request.
const RETRY: Duration = Duration::from_millis(20);
/// A request that is not answered in this time never will be.
const GIVE_UP: Duration = Duration::from_secs(40);
/// The number of files that all agents want.
const SHARED_FILES: usize = 3;

/// The kinds of requests whose duration is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RequestKind {
    Write,
    Heartbeat,
    Read,
    Registration,
}

/// The durations of the team's requests, and everything that went wrong.
#[derive(Default)]
pub struct TeamRecord {
    /// Durations of writes other than heartbeats.
    pub writes: Vec<Duration>,
    /// Durations of heartbeats.
    pub heartbeats: Vec<Duration>,
    /// Durations of reads.
    pub reads: Vec<Duration>,
    /// Durations of registrations by the admin.
    pub registrations: Vec<Duration>,
    /// Ids of the sessions that ended although they sent heartbeats.
    pub lost: BTreeSet<String>,
    /// Violations: what must not happen and did.
    pub broken: Vec<String>,
    is_counting: bool,
    holders: HashMap<String, usize>,
    done: BTreeSet<String>,
}

type Shared = Arc<Mutex<TeamRecord>>;

fn lock(notes: &Shared) -> MutexGuard<'_, TeamRecord> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A working team.
pub struct HonestTeam {
    team: Team,
    notes: Shared,
    sessions: Vec<String>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    observer: tokio::task::JoinHandle<ObservedEvents>,
    stop_observing: watch::Sender<bool>,
    asker: RetryingClient,
}

impl HonestTeam {
    /// Registers the engineers, starts their sessions and lets them work.
    pub async fn at_work(team: &Team, urls: &[String]) -> Self {
        let (stop, stop_observing) = (watch::Sender::new(false), watch::Sender::new(false));
        let notes = Shared::default();
        let observer = Observer::new(team, urls).await;
        let asker = |client: &Client, turn: usize| RetryingClient {
            client: client.clone(),
            urls: urls.to_vec(),
            turn,
            notes: notes.clone(),
        };
        let (mut sessions, mut tasks) = (Vec::new(), JoinSet::new());
        for number in 0..ENGINEERS {
            let engineer = team.engineer(&format!("honest-{number}")).await;
            for agent in 0..AGENTS_OF_ENGINEER {
                let client = team.agent(&engineer.client, &format!("agent-{agent}")).await;
                let id = client.session().expect("an agent has a session").to_owned();
                let number = sessions.len();
                sessions.push(id.clone());
                tasks.spawn(send_heartbeats(asker(&client, number + 1), team.clone(), id, stop.subscribe()));
                let agent = Agent { number, team: team.clone(), asker: asker(&client, number) };
                tasks.spawn(agent.work(stop.subscribe()));
            }
        }
        tasks.spawn(register_newcomers(asker(&team.admin, 0), stop.subscribe()));
        let observer = tokio::spawn(observer.listen(stop_observing.subscribe()));
        let asker = asker(&team.admin, 0);
        Self { team: team.clone(), notes, sessions, stop, tasks, observer, stop_observing, asker }
    }

    /// The sessions of all agents.
    pub fn sessions(&self) -> &[String] {
        &self.sessions
    }

    /// Starts or stops counting the durations.
    pub fn count(&self, is_counting: bool) {
        lock(&self.notes).is_counting = is_counting;
    }

    /// Lets all agents finish, and checks that everything acknowledged is stored.
    pub async fn finish(mut self) -> TeamRecord {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(panic) = ended {
                lock(&self.notes).broken.push(format!("an agent of the team panicked: {panic}"));
            }
        }
        self.look_after_features().await;
        self.look_after_sessions().await;
        self.stop_observing.send_replace(true);
        let received = self.observer.await;
        let mut notes = lock(&self.notes);
        match received {
            Err(panic) => notes.broken.push(format!("the observer panicked: {panic}")),
            Ok(received) => {
                notes.broken.extend(received.broken);
                let ended = self.sessions.iter().filter(|id| received.ended.contains(*id)).cloned();
                notes.lost.extend(ended);
                let unobserved = notes.done.difference(&received.completed).count();
                if unobserved > 0 && received.is_complete {
                    notes.broken.push(format!("{unobserved} finished features were never announced"));
                }
            }
        }
        mem::take(&mut *notes)
    }

    async fn look_after_features(&mut self) {
        let mut found = BTreeSet::new();
        let mut path = self.team.path("/features?status=done&limit=100");
        while let Some(page) = self.asker.ask(RequestKind::Read, Method::GET, &path, None, &[200]).await {
            let items = page.body["data"]["items"].as_array().cloned().unwrap_or_default();
            found.extend(items.iter().filter_map(|feature| Some(feature["slug"].as_str()?.to_owned())));
            let Some(next) = page.body["data"]["nextCursor"].as_str() else { break };
            path = self.team.path(&format!("/features?status=done&limit=100&cursor={next}"));
        }
        let mut notes = lock(&self.notes);
        let lost = notes.done.difference(&found).count();
        if lost > 0 {
            notes.broken.push(format!("{lost} acknowledged writes lost"));
        }
    }

    async fn look_after_sessions(&mut self) {
        let path = self.team.path("/sessions/active");
        let Some(active) = self.asker.ask(RequestKind::Read, Method::GET, &path, None, &[200]).await else {
            return;
        };
        let active = active.body["data"].as_array().cloned().unwrap_or_default();
        let active: BTreeSet<&str> =
            active.iter().filter_map(|entry| entry["session"]["id"].as_str()).collect();
        let ended = self.sessions.iter().filter(|id| !active.contains(id.as_str())).cloned();
        lock(&self.notes).lost.extend(ended);
    }
}

/// Sends requests until they are answered, and records how long that took.
#[derive(Clone)]
struct RetryingClient {
    client: Client,
    urls: Vec<String>,
    /// The node for the next request.
    turn: usize,
    notes: Shared,
}

impl RetryingClient {
    /// Sends a request and returns the answer, if it has one of these statuses.
    async fn ask(
        &mut self,
        kind_of_request: RequestKind,
        method: Method,
        path: &str,
        body: Option<Value>,
        expected: &[u16],
    ) -> Option<Answer> {
        let client = match kind_of_request {
            RequestKind::Write | RequestKind::Registration => {
                self.client.under_key(uuid::Uuid::now_v7().to_string())
            }
            RequestKind::Read | RequestKind::Heartbeat => self.client.clone(),
        };
        let began = Instant::now();
        let answer = loop {
            let url = &self.urls[self.turn % self.urls.len()];
            match client.via(url).send(method.clone(), path, body.as_ref()).await {
                Ok(answer) if ![429, 503].contains(&answer.status.as_u16()) => break Some(answer),
                Ok(_) | Err(_) if began.elapsed() > GIVE_UP => break None,
                // Another node may be able to answer.
                Ok(_) | Err(_) => self.turn += 1,
            }
            sleep(RETRY).await;
        };
        self.note(kind_of_request, began.elapsed());
        let outcome = match &answer {
            Some(answer) if expected.contains(&answer.status.as_u16()) => return Some(answer.clone()),
            Some(answer) => format!("{} {}", answer.status.as_u16(), answer.message()),
            None => format!("no answer in {GIVE_UP:?}"),
        };
        lock(&self.notes).broken.push(format!("{method} {path}: {outcome}"));
        None
    }

    fn note(&self, kind_of_request: RequestKind, took: Duration) {
        let mut notes = lock(&self.notes);
        if !notes.is_counting {
            return;
        }
        match kind_of_request {
            RequestKind::Write => notes.writes.push(took),
            RequestKind::Heartbeat => notes.heartbeats.push(took),
            RequestKind::Read => notes.reads.push(took),
            RequestKind::Registration => notes.registrations.push(took),
        }
    }
}

/// Sends heartbeats for an agent, whatever it does.
async fn send_heartbeats(mut asker: RetryingClient, team: Team, id: String, stop: watch::Receiver<bool>) {
    let path = team.path(&format!("/sessions/{id}/heartbeat"));
    while !*stop.borrow() {
        let answer =
            asker.ask(RequestKind::Heartbeat, Method::POST, &path, Some(json!({})), &[200, 404]).await;
        if answer.is_none_or(|answer| answer.status == 404) {
            lock(&asker.notes).lost.insert(id.clone());
        }
        sleep(HEARTBEAT_INTERVAL).await;
    }
}

/// The admin registers an engineer now and then, whose key is then used on another node.
async fn register_newcomers(mut asker: RetryingClient, stop: watch::Receiver<bool>) {
    for number in 0.. {
        sleep(REGISTER_EVERY).await;
        if *stop.borrow() {
            return;
        }
        let body = json!({ "name": "Newcomer", "email": format!("newcomer-{number}@example.com") });
        let made =
            asker.ask(RequestKind::Registration, Method::POST, "/auth/register", Some(body), &[201]).await;
        let key = made.and_then(|made| Some(made.body["data"]["apiKey"].as_str()?.to_owned()));
        if let Some(key) = key {
            let mut newcomer = RetryingClient { client: asker.client.with_key(key), ..asker.clone() };
            newcomer.turn += 1;
            newcomer.ask(RequestKind::Read, Method::GET, "/auth/me", None, &[200]).await;
        }
    }
}

/// An agent of the team.
struct Agent {
    number: usize,
    team: Team,
    asker: RetryingClient,
}

impl Agent {
    async fn work(mut self, stop: watch::Receiver<bool>) {
        for round in 0.. {
            if *stop.borrow() {
                return;
            }
            if self.round(round).await.is_none() {
                // Failures are recorded. No round depends on the one before.
                sleep(PAUSE).await;
            }
        }
    }

    /// Takes a feature from its creation to its end, and claims a file on the way that others want too.
    async fn round(&mut self, round: usize) -> Option<()> {
        let slug = format!("work-{}-{round}", self.number);
        let touches = [format!("src/part-{}/{round}.rs", self.number), format!("docs/{slug}/")];
        let body = json!({ "slug": slug, "title": "Work", "spec": "do it", "touches": touches });
        self.write(Method::POST, "/features", body, &[201]).await?;
        self.write(Method::POST, &format!("/features/{slug}/ready"), json!({}), &[200]).await?;
        self.write(Method::POST, &format!("/features/{slug}/pick"), json!({}), &[200]).await?;
        let shared = format!("shared/{}.rs", round % SHARED_FILES);
        let claim = json!({ "paths": [shared] });
        if self.write(Method::POST, "/claims", claim.clone(), &[201, 409]).await?.status == 201 {
            self.takes(&shared);
            self.read(["/status", "/features/available", "/claims"][round % 3]).await;
            // Before the request: the claim ends when the request is applied, and another agent may hold the file
            // before the answer.
            lock(&self.asker.notes).holders.remove(&shared);
            self.write(Method::DELETE, "/claims", claim, &[200]).await?;
        }
        self.write(Method::POST, &format!("/features/{slug}/done"), json!({}), &[200]).await?;
        lock(&self.asker.notes).done.insert(slug);
        Some(())
    }

    fn takes(&self, path: &str) {
        let mut notes = lock(&self.asker.notes);
        if let Some(other) = notes.holders.insert(path.to_owned(), self.number) {
            let number = self.number;
            notes.broken.push(format!("{path} was granted to agent {number} while agent {other} held it"));
        }
    }

    async fn write(&mut self, method: Method, rest: &str, body: Value, expected: &[u16]) -> Option<Answer> {
        let path = self.team.path(rest);
        let answer = self.asker.ask(RequestKind::Write, method, &path, Some(body), expected).await;
        sleep(PAUSE).await;
        answer
    }

    async fn read(&mut self, rest: &str) {
        let path = self.team.path(rest);
        self.asker.ask(RequestKind::Read, Method::GET, &path, None, &[200]).await;
    }
}
