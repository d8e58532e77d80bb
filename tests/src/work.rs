//! The demo workload: each feature is a commit of a public repository with the files that it touched. Dozens of agents
//! pick, work and finish, and some die.

use crate::{client::Client, cluster::Cluster, patience::within, team::Team};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// One commit of the data.
#[derive(Clone, Debug, Deserialize)]
pub struct Commit {
    /// Paths that it changed.
    pub files: Vec<String>,
}

/// Reads commits, one JSON object a line, gzipped or not.
///
/// # Errors
/// When the file cannot be read, or has another format.
pub fn commits(path: &Path, most: usize) -> anyhow::Result<Vec<Commit>> {
    let file = std::fs::File::open(path)?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(flate2::read::GzDecoder::new(file))
    } else {
        Box::new(file)
    };
    BufReader::new(reader).lines().take(most).map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

/// Time between two heartbeats of a working agent, well within the shortest lease of a plan.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(250);
/// Half of the features take at most this long, however slow the machine is.
const HALF: Duration = Duration::from_secs(600);

/// The size and the pace of the workload.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The number of agents that work at once.
    pub agents: usize,
    /// One pick in this many is followed by the death of its agent.
    pub dies_once_in: u32,
    /// An agent works on a feature for this long, times the number of its files.
    pub work_per_file: Duration,
    /// Kill the leader when half of the features are done.
    pub kill_leader: bool,
    /// The seed of the agents' random choices.
    pub seed: u64,
}

/// The result, so far or in the end.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The number of planned features.
    pub features: usize,
    /// The number of features whose completion was acknowledged to an agent.
    pub done: BTreeSet<String>,
    /// The number of picks by name.
    pub tried: usize,
    /// The number of picks by name that were refused, since the feature or one of its files was held.
    pub collided: usize,
    /// The time that agents waited for a free feature, for each wait.
    pub waits: Vec<Duration>,
    /// The number of agents that died.
    pub died: usize,
    /// The number of requests that were sent again after a 503 or a lost connection.
    pub sent_again: usize,
    /// The number of writes that were acknowledged.
    pub acknowledged: usize,
    /// The longest time between two acknowledged writes.
    pub longest_gap: Duration,
    /// The time of the last acknowledged write.
    pub last_acknowledged: Option<Instant>,
    /// The leader that was killed.
    pub killed_leader: Option<u64>,
    /// Time from the first pick to the last completion.
    pub took: Duration,
}

/// Writes a feature for each commit. Returns their slugs.
pub async fn write_features(team: &Team, commits: &[Commit]) -> Vec<String> {
    let mut slugs = Vec::new();
    for (at, commit) in commits.iter().enumerate() {
        let slug = format!("commit-{at:04}");
        let title = format!("{} and {} more", commit.files[0], commit.files.len() - 1);
        let title: String = title.chars().take(200).collect();
        let body = json!({ "slug": slug, "title": title, "spec": "as it was", "touches": commit.files });
        team.admin.post(&team.path("/features"), body).await.data();
        team.admin.post(&team.path(&format!("/features/{slug}/ready")), json!({})).await.data();
        slugs.push(slug);
    }
    slugs
}

/// Lets agents work until everything is done.
///
/// # Panics
/// When something happens that must not happen.
pub async fn run(cluster: &mut Cluster, team: &Team, features: usize, plan: Plan) -> Report {
    run_seen(cluster, team, features, plan, &Arc::default()).await
}

/// Like [`run`], with a report that the caller can read meanwhile.
///
/// # Panics
/// When something happens that must not happen.
pub async fn run_seen(
    cluster: &mut Cluster,
    team: &Team,
    features: usize,
    plan: Plan,
    report: &Arc<Mutex<Report>>,
) -> Report {
    let began = Instant::now();
    report.lock().expect("nobody has counted yet").features = features;
    let engineers = [team.engineer("ana").await, team.engineer("ben").await, team.engineer("eva").await];
    let urls = cluster.urls();
    let mut agents = tokio::task::JoinSet::new();
    for number in 0..plan.agents {
        let agent = Agent {
            engineer: engineers[number % engineers.len()].client.clone(),
            team: team.clone(),
            urls: urls.clone(),
            number,
            lives: 0,
            random: SmallRng::seed_from_u64(plan.seed + number as u64),
            plan,
            report: report.clone(),
        };
        agents.spawn(agent.work());
    }
    if plan.kill_leader {
        let is_half_done = || async {
            let done = report.lock().expect("no agent panics while it counts").done.len();
            (done >= features / 2).then_some(())
        };
        within(HALF, "half of the features are done", is_half_done).await;
        let leader = cluster.leader().await;
        cluster.node(leader).kill();
        report.lock().expect("no agent panics while it counts").killed_leader = Some(leader);
        // Not before another node leads: a node that is back at once might go on as the leader.
        cluster.leader().await;
        cluster.node(leader).start();
        cluster.ready(leader).await;
    }
    while let Some(agent) = agents.join_next().await {
        agent.expect("an agent that dies is part of the plan; one that panics is not");
    }
    let mut report = report.lock().expect("no agent panics while it counts").clone();
    report.took = began.elapsed();
    report
}

impl Report {
    fn acknowledge(&mut self) {
        let now = Instant::now();
        let gap = self.last_acknowledged.map_or(Duration::ZERO, |last| now - last);
        self.longest_gap = self.longest_gap.max(gap);
        self.last_acknowledged = Some(now);
        self.acknowledged += 1;
    }
}

struct Agent {
    engineer: Client,
    team: Team,
    urls: Vec<String>,
    number: usize,
    lives: usize,
    random: SmallRng,
    plan: Plan,
    report: Arc<Mutex<Report>>,
}

impl Agent {
    async fn work(mut self) {
        let mut session = self.new_session().await;
        let mut waiting_since = None;
        loop {
            let Some(feature) = self.find_work(&session).await else {
                if self.everything_is_done().await {
                    return;
                }
                waiting_since.get_or_insert_with(Instant::now);
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            if let Some(since) = waiting_since.take() {
                let waited = since.elapsed();
                self.count(|report| report.waits.push(waited));
            }
            let slug = feature["slug"].as_str().expect("a slug").to_owned();
            let files = feature["touches"].as_array().map_or(1, Vec::len).max(1);
            self.work_on(&session, self.plan.work_per_file * u32::try_from(files).unwrap_or(u32::MAX)).await;
            if self.random.random_ratio(1, self.plan.dies_once_in) {
                // It sends nothing more: its files stay held until its lease is over.
                self.count(|report| report.died += 1);
                session = self.new_session().await;
                continue;
            }
            let done = self.post(&session, &format!("/features/{slug}/done"), json!({})).await;
            match done.status.as_u16() {
                200 => self.count(|report| assert!(report.done.insert(slug), "a feature is done once")),
                // The agent was slow, and its lease expired: another agent does it.
                400 | 404 => session = self.new_session().await,
                _ => panic!("{done:?}"),
            }
        }
    }

    /// Works for some time, and sends heartbeats meanwhile.
    async fn work_on(&mut self, session: &Client, time: Duration) {
        let until = Instant::now() + time;
        loop {
            self.send_heartbeat(session).await;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(HEARTBEAT_INTERVAL)).await;
        }
    }

    /// Picks the best feature by name, as old clients do, and then the next free one.
    async fn find_work(&mut self, session: &Client) -> Option<Value> {
        let list = self.read(session, "/features/available").await;
        let items = list.data().as_array().cloned().unwrap_or_default();
        let free = items.iter().filter(|feature| feature["blockedBy"].is_null()).count();
        if free > 0 {
            let choice = self.random.random_range(0..free.min(3));
            let slug = items[choice]["slug"].as_str().expect("a slug");
            let picked = self.post(session, &format!("/features/{slug}/pick"), json!({})).await;
            self.count(|report| {
                report.tried += 1;
                report.collided += usize::from(picked.status == 409);
            });
            if picked.status.is_success() {
                return Some(picked.body["data"].clone());
            }
        }
        let next = self.post(session, "/features/pick-next", json!({})).await;
        next.status.is_success().then(|| next.body["data"].clone())
    }

    async fn everything_is_done(&mut self) -> bool {
        let (done, features) = {
            let report = self.report.lock().expect("no agent panics while it counts");
            (report.done.len(), report.features)
        };
        done == features
    }

    async fn new_session(&mut self) -> Client {
        self.lives += 1;
        let name = format!("agent-{}-{}", self.number, self.lives);
        let started = self.post(&self.engineer.clone(), "/sessions", json!({ "agent": name })).await;
        let session = self.engineer.acting_as(started.data()["id"].as_str().expect("an id"));
        self.send_heartbeat(&session).await;
        session
    }

    async fn send_heartbeat(&mut self, session: &Client) {
        let Some(id) = session.session().map(str::to_owned) else { return };
        self.post(session, &format!("/sessions/{id}/heartbeat"), json!({})).await;
    }

    /// Sends a write with one idempotency key to one node after the other, until one answers.
    async fn post(&mut self, client: &Client, rest: &str, body: Value) -> crate::Answer {
        let client = client.under_key(uuid::Uuid::now_v7().to_string());
        let path = self.team.path(rest);
        loop {
            let url = &self.urls[self.random.random_range(0..self.urls.len())];
            match client.via(url.clone()).send(reqwest::Method::POST, &path, Some(&body)).await {
                Ok(answer) if answer.status != 503 => {
                    self.count(Report::acknowledge);
                    return answer;
                }
                Ok(_) | Err(_) => self.count(|report| report.sent_again += 1),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn read(&mut self, client: &Client, rest: &str) -> crate::Answer {
        let path = self.team.path(rest);
        loop {
            let url = &self.urls[self.random.random_range(0..self.urls.len())];
            match client.via(url.clone()).send(reqwest::Method::GET, &path, None).await {
                Ok(answer) if answer.status != 503 => return answer,
                Ok(_) | Err(_) => self.count(|report| report.sent_again += 1),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn count(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.report.lock().expect("no agent panics while it counts"));
    }
}
